"""What is shown of each part: a function brings a page to where its picture can be taken."""
