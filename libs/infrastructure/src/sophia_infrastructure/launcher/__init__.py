"""The program that does every effect outside the database, so that serving does not depend on the engine.

    python -I -S launcher.py keep|end|once|prepare RUN RESOURCE      one line of JSON in, one line of JSON out

keep      becomes a process of its own that runs a program for as long as it is wanted: never twice, again when it ends
end       stops what `keep` runs, also when its launcher is dead, and forgets it
once      does a batch of small effects on files
prepare   copies a tree and makes it ready with a command, unless that was done

It needs the standard library alone, and runs from a copy that no checkout can change. Each call is a process in a
session of its own, so that it can be neither interrupted nor frozen with the engine.

A resource has two files in the directory RUN. `NAME.json` is what its launcher says of it. `NAME.lock` carries three
locks, which die with who holds them:

    door       taken for a moment by everybody who changes the resource, so that changes have an order
    held       the launcher's and the program's, which inherits it: whatever happens, there is no twin
    launcher   the launcher's alone: held but no launcher means that the program is an orphan

RUN/epoch is the highest epoch that any call in this state directory has named. Whoever names an older one is an
engine that was replaced, and is refused at the door. One number for all resources is enough, because one engine owns
a state directory, and it outlives a resource's files: what was forgotten cannot be brought back by an old engine.

In reading order: `locks` · `processes` · `files` · `resource` · `limits` · `logs` · `family` · `keeping` · `ending` ·
`preparing` · `program`.
"""
