"""`python -m homa.commands`: the command line where no script `homa` is on the path."""

from homa.commands import main

if __name__ == "__main__":
    main(prog_name="homa")
