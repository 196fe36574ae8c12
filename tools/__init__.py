"""What `./x build` and `./x compat` ask of the wheels; runs in .venv."""
