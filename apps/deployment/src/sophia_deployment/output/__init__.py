"""What people and programs read: answers of the engine as text, tables and a live view.

    text       words, tables and colours           console    the two streams and what goes to which
    progress   a run folded from its events        live       the same on a terminal, in a log, in CI
    cards      how things stand, how a run ended

Nothing here asks the engine or decides anything; `progress` and `cards` are pure. Whatever a service or a person wrote
goes through `plain` before it reaches a terminal.
"""
