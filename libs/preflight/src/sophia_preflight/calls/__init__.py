"""Who calls whom, with what, from which directory, in which file system: the ground that most rules stand on.

    model      a call and its target          commands   from the words of a command to its targets
    programs   what each kind of program needs and makes; `running` is the command that they are told
    shell      what a shell script does       python, dockerfile, workflow, …   calls in other kinds of files
    values     what expressions of Python are worth       embedded   programs in Python that are given as text
    finding    where a target is, or that it is nowhere

Everything but `finding` looks at one file alone and is a pure function of its path and text, so its outcome is cached.
"""
