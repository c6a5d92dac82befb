"""The pictures in the documents, made anew from the system as it runs."""
