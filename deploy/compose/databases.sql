-- Beside `decisions`, which the image makes itself. Run once, when the volume is empty.
CREATE DATABASE mlflow;
