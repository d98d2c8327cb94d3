# demo.sh - the demonstration that ./dev run starts: an authority, its desk, partners' stand-ins, two phones.
#
# Sourced by ./dev. All of it lies in build/run and is made of share/ by the tandem program's own commands, as a maker
# and a regulator would: nothing here is known to the product. Ids start with DEMO-, every key and policy says demo.
#
#   build/run/authority   keys, policies (YAML), the TUF repository, cases (src/desk/authority.h has the layout)
#   build/run/phones/N    a phone's own home; N is left or right
#
# One supervisor process owns all others. A phone cannot become another one: to choose another market the desk leaves a
# note (phones/NAME.want), and the supervisor stops that phone and starts another with another record.

# The tests run it elsewhere: TANDEM_RUN_DIR, TANDEM_PROGRAM, TANDEM_DEMO_MODEL, TANDEM_DEMO_PORT (the stage's; the
# phones are 20 and 30 above it, the stand-ins 701 and on).

AUTHORITY=$RUN_DIR/authority
PHONES=$RUN_DIR/phones
TANDEM=${TANDEM_PROGRAM:-build/tandem}
DEMO_MODEL=${TANDEM_DEMO_MODEL:-qwen2.5-coder-0.5b}
DEMO_PORT=${TANDEM_DEMO_PORT:-8400}
DESK_ADDRESS=127.0.0.1:$DEMO_PORT
DEMO_MARKETS="CN HK MO TW US EU"
DEMO_PROVIDERS="alibaba baidu openai deepseek tencent bytedance minimax zhipu"
DEMO_EMULATED="alibaba openai baidu deepseek tencent"

# ---- the authority

demo_key() { # demo_key NAME: a pair under keys/
    $TANDEM keygen --quiet --out "$AUTHORITY/keys/$1" >/dev/null
}

demo_role() { # demo_role NAME THRESHOLD DAYS KEY..: one role of roles.yaml
    printf '  %s:\n    threshold: %s\n    expires_days: %s\n    keys:\n' "$1" "$2" "$3"
    shift 3
    for k in "$@"; do printf '      - ../keys/%s.pub\n' "$k"; done
}

demo_roles() {
    printf 'demo: true\nroles:\n'
    demo_role root 2 365 root-1 root-2 root-3
    demo_role targets 1 90 targets
    demo_role snapshot 1 7 snapshot
    demo_role timestamp 1 1 timestamp
    for m in $DEMO_MARKETS; do demo_role "market-$m" 1 90 "market-$m"; done
}

demo_signer() { # demo_signer ID EN ZH ROLE KEY MARKETS: one entry of keys.yaml
    printf -- '- id: %s\n  name: {en: "%s", zh: "%s"}\n  role: %s\n  pub: ../keys/%s.pub\n' "$1" "$2" "$3" "$4" "$5"
    printf '  markets: [%s]\n  valid_from: "2023-01-01T00:00:00Z"\n  valid_to: "2035-01-01T00:00:00Z"\n' "$6"
}

partner_name() { # partner_name ID LANGUAGE: as the markets' policies call it
    sed -n "/^  $1:/,/name:/s/.*name: {.*$2: \([^,}]*\).*/\1/p" share/markets/CN.yaml share/markets/US.yaml |
        head -n 1
}

demo_signers() {
    all=$(echo "$DEMO_MARKETS" | sed 's/ /, /g')
    demo_signer DEMO-MAKER "Phone maker (demo)" "手机厂商（演示）" maker maker "$all"
    for m in $DEMO_MARKETS; do
        demo_signer "DEMO-REGULATOR-$m" "Regulator of $m (demo)" "$m 监管机构（演示）" regulator "regulator-$m" "$m"
    done
    for p in $DEMO_PROVIDERS; do
        demo_signer "DEMO-PROVIDER-$p" "$(partner_name "$p" en) (demo)" "$(partner_name "$p" zh)（演示）" provider \
            "provider-$p" "$all"
    done
}

emulator_port() { # emulator_port PARTNER; nothing for one that has no stand-in
    at=701
    for e in $DEMO_EMULATED; do
        [ "$e" != "$1" ] || echo $((DEMO_PORT + at))
        at=$((at + 1))
    done
}

# What people write, copied once; the maker's desk edits the copy.
demo_inputs() {
    demo_roles >"$AUTHORITY/in/roles.yaml"
    demo_signers >"$AUTHORITY/in/keys.yaml"
    for m in $DEMO_MARKETS; do
        dir=$AUTHORITY/in/markets/$m
        mkdir -p "$dir/partners" "$dir/packs"
        cp "share/markets/$m.yaml" "$dir/policy.yaml"
        cp share/packs/demo.yaml "$dir/packs/"
        # shellcheck disable=SC2013 # ids are words
        for p in $(sed -n 's|^ *profile: partners/\([a-z0-9-]*\).yaml.*|\1|p' "$dir/policy.yaml"); do
            port=$(emulator_port "$p")
            sed "s/port: *[0-9][0-9]*/port: ${port:-1}/" "share/demo/partners/$p.yaml" >"$dir/partners/$p.yaml"
        done
    done
}

demo_publish() { # makes and signs what in/ says; the whole must verify
    $TANDEM policy make --quiet --in "$AUTHORITY/in" --repo "$AUTHORITY/repo" >/dev/null
    for k in root-1 root-2; do demo_sign root $k; done
    demo_sign targets targets
    for m in $DEMO_MARKETS; do demo_sign "market-$m" "market-$m"; done
    demo_sign snapshot snapshot
    demo_sign timestamp timestamp
    $TANDEM policy verify --quiet --repo "$AUTHORITY/repo" --root "$AUTHORITY/repo/metadata/1.root.json" >/dev/null
}

demo_sign() { # demo_sign ROLE KEY
    $TANDEM policy sign --quiet --repo "$AUTHORITY/repo" --role "$1" --key "$AUTHORITY/keys/$2.key" >/dev/null
}

# demo_case OWN_MODEL ID DAY PARTNER MODEL DATE FEATURE..: a case of mainland China, submitted by both filers on a day;
# OWN_MODEL "" when it is about the partner's model alone.
demo_case() {
    own=$1 id=$2 day=$3 partner=$4 model=$5 model_date=$6
    case=$AUTHORITY/cases/$id.json
    shift 6
    for f in "$@"; do set -- "$@" --feature "$f" && shift; done
    [ -z "$own" ] || set -- "$@" --model "$own"
    $TANDEM filing new --quiet --case "$case" --id "$id" --market CN "$@" \
        --partner "$partner" --partner-model "$model" --partner-date "$model_date" --maker DEMO-MAKER \
        --provider "DEMO-PROVIDER-$partner" --demo --key "$AUTHORITY/keys/maker.key" --at "${day}T01:00:00Z" >/dev/null
    for section in maker provider; do
        key=maker
        doc=features-and-data
        [ $section = maker ] || key=provider-$partner doc=model-service
        $TANDEM filing submit --quiet --case "$case" --section $section --doc share/demo/filing/$doc.txt \
            --key "$AUTHORITY/keys/$key.key" --at "${day}T02:00:00Z" >/dev/null
    done
}

# Anew at each start: the story begins in February 2025, with the case submitted.
make_authority() {
    say "making the demonstration's authority"
    rm -rf "$AUTHORITY"
    mkdir -p "$AUTHORITY/keys" "$AUTHORITY/in" "$AUTHORITY/cases" "$AUTHORITY/phones" "$AUTHORITY/emulators"
    chmod 700 "$AUTHORITY"
    for k in root-1 root-2 root-3 targets snapshot timestamp maker; do demo_key $k; done
    for m in $DEMO_MARKETS; do
        demo_key "market-$m"
        demo_key "regulator-$m"
    done
    for p in $DEMO_PROVIDERS; do demo_key "provider-$p"; done
    demo_inputs
    demo_publish
    demo_case "$DEMO_MODEL" DEMO-CN-2025-0001 2025-02-11 alibaba qwen-max 2025-01-25 \
        chat assistant proofread rewrite summarize reply prioritise
    demo_case "" DEMO-CN-2025-0002 2025-02-13 baidu ernie-demo 2025-02-13 assistant # so that a swap can be tried
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$AUTHORITY/desk.key"
    chmod 600 "$AUTHORITY/desk.key"
}

# ---- phones

# json FIELD: the first text or number of that name on stdin.
json() { tr ',{}' '[\n*]' | sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\"]*\)\"\{0,1\} *$/\1/p" | head -n 1; }

phone_port() { if [ "$1" = left ]; then echo $((DEMO_PORT + 20)); else echo $((DEMO_PORT + 30)); fi; }

# A new phone: its own key, a record that the maker signs, the policy that the maker flashes.
make_phone() { # make_phone NAME SOLD_IN
    home=$PHONES/$1
    rm -rf "$home"
    mkdir -p "$home/state/filings" "$home/cache"
    ln -s "$shared_cache/models" "$home/cache/models" # weights alone: what a phone has read is its own
    serial=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    $TANDEM keygen --quiet --out "$home/device" >/dev/null
    $TANDEM device make --quiet --key "$AUTHORITY/keys/maker.key" --device "DEMO-$serial" --sku "DEMO-PHONE-$2" \
        --sold-in "$2" --profile adult --device-pub "$home/device.pub" --expires 2030-01-01T00:00:00Z --demo \
        --out "$home/record.json" >/dev/null
    $TANDEM policy install --quiet --home "$home" --repo "$AUTHORITY/repo" \
        --root "$AUTHORITY/repo/metadata/1.root.json" >/dev/null
    for c in "$AUTHORITY"/cases/*.json; do
        [ ! -f "$c" ] || cp "$c" "$home/state/filings/"
    done
}

# tell_phone NAME STATE LINK: what the stage is told of it; LINK empty: none.
tell_phone() {
    printf '{"name":"%s","url":"%s","sold_in":"%s","state":"%s","link":%s}\n' "$1" "$(cat "$PHONES/$1/url")" \
        "$(cat "$PHONES/$1/sold_in")" "$2" "${3:+\"}${3:-null}${3:+\"}" >"$AUTHORITY/phones/$1.json.new"
    mv "$AUTHORITY/phones/$1.json.new" "$AUTHORITY/phones/$1.json"
}

# One-time owner link. The key goes by stdin: an argument could be seen by others.
draw_link() { # draw_link NAME
    printf 'header = "Authorization: Bearer %s"\n' "$(cat "$PHONES/$1/state/owner.key")" |
        curl -s --max-time 5 -K - -H 'Content-Type: application/json' -d '{}' \
            "$(cat "$PHONES/$1/url")/v1/owner/link" | json link
}

start_phone() { # start_phone NAME
    home=$PHONES/$1
    echo "http://127.0.0.1:$(phone_port "$1")" >"$home/url"
    "$TANDEM" serve --home "$home" --device "$home/record.json" --listen "127.0.0.1:$(phone_port "$1")" \
        --stage "http://$DESK_ADDRESS" -m "$DEMO_MODEL" --parallel 2 </dev/null >>"$RUN_DIR/log" 2>&1 &
    echo $! >"$home/pid"
    tell_phone "$1" starting ""
}

# Up when it answers; then the stage gets its link.
greet_phone() { # greet_phone NAME
    tries=0
    until curl -s --max-time 2 -o /dev/null "$(cat "$PHONES/$1/url")/v1/device"; do
        kill -0 "$(cat "$PHONES/$1/pid")" 2>/dev/null || return 1
        tries=$((tries + 1))
        [ $tries -lt 100 ] || return 1
        sleep 0.1
    done
    tell_phone "$1" up "$(draw_link "$1")"
}

bring_phone() { # bring_phone NAME SOLD_IN
    make_phone "$1" "$2"
    echo "$2" >"$PHONES/$1/sold_in"
    start_phone "$1"
    greet_phone "$1"
}

end_process() { # end_process PID: asks, waits, insists
    kill -TERM "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || true
}

# What the desk wants: another phone, or a fresh link.
serve_wish() { # serve_wish NAME
    wish=$AUTHORITY/phones/$1.want
    [ -f "$wish" ] || return 0
    read -r what region <"$wish" || true
    rm -f "$wish"
    case $what in
    link) tell_phone "$1" up "$(draw_link "$1")" ;;
    sold_in)
        tell_phone "$1" starting ""
        end_process "$(cat "$PHONES/$1/pid")"
        bring_phone "$1" "$region" || say "the $1 phone did not start"
        ;;
    esac
}

# ---- the supervisor

start_emulators() {
    for e in $DEMO_EMULATED; do
        printf '{"partner":"%s","url":"http://127.0.0.1:%s"}\n' "$e" "$(emulator_port "$e")" \
            >"$AUTHORITY/emulators/$e.json"
        rm -f "$AUTHORITY/emulators/$e.fault"
        addresses="${addresses:-} $e@$(emulator_port "$e")"
    done
    mkdir -p "$RUN_DIR/emulators/cache"
    ln -sfn "$shared_cache/models" "$RUN_DIR/emulators/cache/models"
    (
        # shellcheck disable=SC2086
        exec "$TANDEM" emulate $addresses --home "$RUN_DIR/emulators" -m "$DEMO_MODEL" --log "$RUN_DIR/emulators.log" \
            --faults "$AUTHORITY/emulators" </dev/null >>"$RUN_DIR/log" 2>&1
    ) &
    emulator_pid=$!
}

supervise() {
    shared_cache=${TANDEM_HOME:+$TANDEM_HOME/cache}
    shared_cache=${shared_cache:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem} # both phones share the weights
    mkdir -p "$PHONES" "$shared_cache/models"
    export TANDEM_PACKED="${TANDEM_PACKED:-$shared_cache/packed}"
    make_authority
    trap 'stopping=1' TERM INT HUP
    stopping=
    "$TANDEM" desk --authority "$AUTHORITY" --listen "$DESK_ADDRESS" </dev/null >>"$RUN_DIR/log" 2>&1 &
    desk_pid=$!
    start_emulators
    bring_phone left CN
    bring_phone right US
    while [ -z "$stopping" ]; do
        for n in left right; do serve_wish $n; done
        kill -0 "$desk_pid" 2>/dev/null && kill -0 "$emulator_pid" 2>/dev/null || stopping=1
        sleep 0.3
    done
    kill -TERM "$(cat "$PHONES/left/pid")" "$(cat "$PHONES/right/pid")" "$desk_pid" "$emulator_pid" 2>/dev/null || true
    wait
}

# ---- live: a stand-in gives way to the real partner

desk_call() { # desk_call PATH [BODY]
    printf 'header = "Authorization: Bearer %s"\n' "$(cat "$AUTHORITY/desk.key")" |
        curl -s --fail-with-body --max-time 30 -K - -H 'Content-Type: application/json' ${2:+-d "$2"} \
            "http://$DESK_ADDRESS$1"
}

# Hands a phone the newest signed policy, with its owner's key: who runs this is the owner of both phones.
hand_policy() { # hand_policy NAME
    desk_call /desk/bundle >"$PHONES/$1/bundle.json"
    printf 'header = "Authorization: Bearer %s"\n' "$(cat "$PHONES/$1/state/owner.key")" |
        curl -s --fail-with-body --max-time 30 -K - -H 'Content-Type: application/json' \
            --data-binary "@$PHONES/$1/bundle.json" "$(cat "$PHONES/$1/url")/v1/policy" ||
        die "the $1 phone has refused the policy"
    rm -f "$PHONES/$1/bundle.json"
}

# The key never becomes an argument, a policy's text or a log line: it lies in a file (0600) that the profile names.
make_live() { # make_live PARTNER
    partner=$1
    [ -f "share/partners/$partner.yaml" ] || die "live: $partner is none of share/partners/*.yaml"
    variable=$(sed -n 's/^key_ref: *env:\([A-Z0-9_]*\).*/\1/p' "share/partners/$partner.yaml")
    eval "secret=\${$variable:-}"
    [ -n "$secret" ] || die "live: set $variable to your key at $partner"
    mkdir -p "$RUN_DIR/secrets"
    (umask 077 && printf '%s' "$secret" >"$RUN_DIR/secrets/$partner")
    dns=$(sed -n 's/^nameserver *//p' /etc/resolv.conf | head -n 1)
    for policy in "$AUTHORITY"/in/markets/*/policy.yaml; do
        dir=$(dirname "$policy")
        market=$(basename "$dir")
        grep -q "$partner" "$policy" || continue
        sed "s|^key_ref: .*|key_ref: file:$ROOT/$RUN_DIR/secrets/$partner|" \
            "share/partners/$partner.yaml" >"$dir/partners/$partner.yaml"
        desk_call /desk/policy "{\"market\":\"$market\",\"change\":\"live\",\"partner\":\"$partner\",\"dns_server\":\"${dns:-127.0.0.1}:53\"}" ||
            die "the desk has refused the change of market $market"
    done
    for n in left right; do hand_policy $n; done
    echo
    say "$partner is live in the demonstration: what its cells send goes to its real host, after consent"
}
