# PostgreSQL's archive_command: keep one finished segment of the log, and bound what is kept.
# Runs in the data folder; $1 is the segment's path, $2 its name. Above this line is where
# the server's own tools and socket are. What it prints is in server.log.

cd ../archive || exit 1

# Sparse: most of a segment that archive_timeout ends is zeros. Renamed: never half a segment.
dd if="../data/$1" of=".$2" bs=128k conv=sparse 2>/dev/null || exit 1
mv -f ".$2" "wal/$2" || exit 1

newest=$(ls bases | tail -n 1)
[ -n "$newest" ] || exit 0
since=$(find wal -type f -newer "bases/$newest" -exec du -k {} + | awk '{n += $1} END {print n + 0}')
[ "$since" -gt "$(cat limit_kib)" ] || exit 0
[ "$since" -gt "$(du -sk "bases/$newest" | cut -f 1)" ] || exit 0

# Made while we hold it; what was killed is removed at the server's next start.
mkdir renewing 2>/dev/null || exit 0
renew() {
    "$basebackup" --host "$sockets" --port "$port" --username "$replicator" --no-password \
        --pgdata renewing/base --wal-method none --checkpoint fast --no-sync --no-manifest ||
        { rm -rf renewing; return; }
    # Two bases stand, so that there is always a way back over a whole limit of log. Named by the
    # second in which it was surely whole.
    mv renewing/base "bases/$(($(date +%s) + 1))"
    ls bases | sed '$d' | sed '$d' | while read -r gone; do rm -rf "bases/$gone"; done
    first=$(sed -n 's/^START WAL LOCATION:.*file \([0-9A-F]*\))$/\1/p' \
        "bases/$(ls bases | head -n 1)/backup_label")
    [ -n "$first" ] && "$archivecleanup" wal "$first"
    rm -rf renewing
}
renew >&2 &
