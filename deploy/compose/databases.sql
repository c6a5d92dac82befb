-- Created in addition to `decisions`, which the image creates itself. Runs once, on an empty volume.
CREATE DATABASE mlflow;
