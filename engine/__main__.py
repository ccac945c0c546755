"""`python -m gapscope …` is the command `gapscope`."""

from gapscope.jobs.command_line import main

if __name__ == "__main__":
    main()
