"""What a program accepts on its command line, as its source says.

model      options, operands, sub-commands, and the match of a call against them
python     argparse, click, typer, `sys.argv`          shell     getopts, `case` loops, positional parameters
vocabulary what is refused where no grammar can be read: what the sources speak of (`spoken`), compiled programs
"""
