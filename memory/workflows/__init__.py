"""The long jobs of day 2 on as many machines as there are: Temporal workflows, optional.

One machine needs none of this: ``python -m memory rotate-field-keys`` and ``reembed`` do the same
with the same functions.  Here the rows are cut into spans of keys, each span is one activity, and
any worker takes any of them.  A worker that dies is noticed by its missing heartbeat, and another
goes on behind the key that the last one named.

What Temporal is told it keeps, for weeks and for everybody who may read its history: so no content,
no field and no secret is in any argument, result, heartbeat or error.  Keys of rows, names of keys
and numbers are.
"""
