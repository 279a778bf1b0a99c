#!/bin/sh
# Whether a commit's subject has the form that releases follow from: usage: tools/check_subject.sh FILE
set -eu
subject=$(head -n 1 "$1")
case $subject in
    "Merge "* | "Revert "* | "Release "*) exit 0 ;;
esac
if ! printf '%s' "$subject" | grep -qE '^(feat|fix|perf|refactor|docs|test|build)(\([a-z-]+\))?!?: [^ ]'; then
    echo "$1:1: '$subject' begins with none of feat: fix: perf: refactor: docs: test: build: (docs/decisions/0003-releases.md)" >&2
    exit 1
fi
if [ ${#subject} -gt 72 ]; then
    echo "$1:1: the subject has ${#subject} characters: expected at most 72" >&2
    exit 1
fi
