"""Communication between the processes of one service."""
