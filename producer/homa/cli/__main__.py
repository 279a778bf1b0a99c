"""`python -m homa.cli`: the command line where no script `homa` is on the path."""

from homa.cli import main

if __name__ == "__main__":
    main(prog_name="homa")
