#!/bin/bash
# Makes the certificates of t_wss.c, and of zws_peer.py.   usage: certificates.sh > certificates.h
# An authority, and what it vouches for: a server, one whose time is over, one with nothing but a common name. One that
# vouches for itself, as `openssl req -x509` makes them. All are good for a hundred years, and secret from nobody.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
new() { # NAME SUBJECT: a key and a request
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
}
signed() { # NAME FROM UNTIL EXTENSION...
    local name=$1 from=$2 until=$3
    shift 3
    printf '%s\n' "$@" >"$name.ext"
    openssl ca -batch -config ca.cnf -name ca -in "$name.csr" -out "$name.crt" -startdate "$from" -enddate "$until" \
        -extfile "$name.ext" -notext 2>/dev/null
}
text() { # NAME FILE
    printf '\nstatic const char %s[] =\n' "$1"
    sed 's/.*/    "&\\n"/; $s/$/;/' "$2"
}
cat >ca.cnf <<'END'
[ca]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
certificate = authority.crt
private_key = authority.key
[any]
commonName = supplied
END
: >index.txt
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout authority.key -out authority.crt \
    -days 36500 -subj "/CN=authority" 2>/dev/null
for name in server expired common; do
    new $name /CN=server.test
done
forever=21250101000000Z
signed server 20200101000000Z $forever basicConstraints=CA:FALSE subjectAltName=DNS:server.test,IP:127.0.0.1
signed expired 20200101000000Z 20210101000000Z basicConstraints=CA:FALSE subjectAltName=DNS:server.test,IP:127.0.0.1
signed common 20200101000000Z $forever basicConstraints=CA:FALSE
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.crt -days 36500 \
    -subj "/CN=self.test" 2>/dev/null
echo '/* Certificates and their keys, made by certificates.sh. */'
text authority_crt authority.crt
for name in server expired common self; do
    text ${name}_crt $name.crt
    text ${name}_key $name.key
done
