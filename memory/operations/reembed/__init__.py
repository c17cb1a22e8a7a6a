"""Another model or another dimension for vectors that are in use, without losing one.

Expand: a new column and a trigger.  Backfill: in batches by key.  Index: built beside the traffic.
Check: each column's index against its own exact scan.  Swap: the names change in one short
transaction.  Contract: the old column goes.  Until the swap everybody reads and writes as before;
after it, until the contract, the old vectors are kept.

Why a column, and no table beside it: a table of new vectors needs a tenth of the time to fill, for
it takes no room from the old one's pages and no entry in its indexes.  But the swap would have to
move them into the column, and that UPDATE of every row in one statement is never HOT: it enters
each row into every index again, the old HNSW graph too, and took three times as long as the whole
backfill, at the worst moment.  The alternative to that is a view or a join for ever.

Why small batches of rows that are no neighbours: each leaves room on its page for the next, so that
four of five updates are HOT and need no index, whatever the order of the keys.  With neighbours in
one batch, keys in the order of time (uuid version 7, a sequence) made one of six HOT, and a
backfill eight times as long.  Measured by ``python -m bench reembed``, 1536 dimensions.
"""
