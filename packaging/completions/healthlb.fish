# fish completion for healthlb, made by `healthlb completion fish`

# The words before the cursor, but the program's own.
function __healthlb_words
    set -l words (commandline -opc)
    set -e words[1]
    string join \n -- $words
end

function __healthlb_no_verb
    not __healthlb_words | string match -qv -- '-*'
end

function __healthlb_verb
    contains -- (__healthlb_words | string match -v -- '-*')[1] $argv
end

# Asks the running director for the names that fit here. $argv: the option whose value they are, where they are one's.
function __healthlb_names
    set -l words (__healthlb_words)
    if set -q argv[1]; and test "$words[-1]" != "$argv[1]"
        set -a words $argv[1]
    end
    # The word at the cursor up to there, without its quoting and without the option that it is the value of.
    set -l current (commandline -ct | string replace -r -- '^--[a-z-]+=' '' | string replace -ra -- '["\'\\\\]' '')
    healthlb __complete $words "$current" 2>/dev/null
end

complete -c healthlb -f
complete -c healthlb -n __healthlb_no_verb -l help -d 'show what there is, and exit'
complete -c healthlb -n __healthlb_no_verb -l version -d 'show the version, and exit'

complete -c healthlb -n __healthlb_no_verb -a run -d 'probe the real servers and keep the IPVS table true, until stopped'
complete -c healthlb -n '__healthlb_verb run' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb run' -s c -l config -r -F -d 'the configuration file (default /etc/healthlb/healthlb.yaml)'
complete -c healthlb -n '__healthlb_verb run' -l dry-run -d 'real probes and API, a table in memory, the kernel untouched'
complete -c healthlb -n '__healthlb_verb run' -l log -x -a 'text json' -d 'how log lines look (default text)'

complete -c healthlb -n __healthlb_no_verb -a validate -d 'check a configuration file and list every fault in it'
complete -c healthlb -n '__healthlb_verb validate' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb validate' -s c -l config -r -F -d 'the configuration file (default /etc/healthlb/healthlb.yaml)'

complete -c healthlb -n __healthlb_no_verb -a plan -d 'show what a reload would change in the kernel; exit status 0: nothing, 2: something'
complete -c healthlb -n '__healthlb_verb plan' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb plan' -s c -l config -r -F -d 'the configuration file (default /etc/healthlb/healthlb.yaml)'
complete -c healthlb -n '__healthlb_verb plan' -l url -x -d 'the running director (default: where the file\'s api.listen says)'
complete -c healthlb -n '__healthlb_verb plan' -l limit -x -d 'exit status 1 when a reload would take out more than this share of the live weight, 20% say'
complete -c healthlb -n '__healthlb_verb plan' -l json -d 'print JSON'

complete -c healthlb -n __healthlb_no_verb -a reload -d 'have the running director read its configuration again'
complete -c healthlb -n '__healthlb_verb reload' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb reload' -l wait -d 'wait for the outcome and print it; exit status 1: refused'
complete -c healthlb -n '__healthlb_verb reload' -l force -d 'also where it takes out more than max_reload_change allows'
complete -c healthlb -n '__healthlb_verb reload' -l deadline -x -d 'with --wait: wait for so long (default 2m)'
complete -c healthlb -n '__healthlb_verb reload' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb reload' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb reload' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb reload' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb reload' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb reload' -l json -d 'print JSON'

complete -c healthlb -n __healthlb_no_verb -a status -d 'show the virtual servers, their real servers, and why each is as it is; exit status 1: not all is well'
complete -c healthlb -n '__healthlb_verb status' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb status' -l json -d 'print the status as JSON, as /api/v1/status has it'
complete -c healthlb -n '__healthlb_verb status' -l ipvsadm -d 'print the rows of the table exactly as `ipvsadm -Ln` prints them'
complete -c healthlb -n '__healthlb_verb status' -l nagios -d 'print one line for Nagios, with performance data'
complete -c healthlb -n '__healthlb_verb status' -l stats -d 'with --ipvsadm: the totals, as `ipvsadm -Ln --stats`'
complete -c healthlb -n '__healthlb_verb status' -l rate -d 'with --ipvsadm: the rates, as `ipvsadm -Ln --rate`'
complete -c healthlb -n '__healthlb_verb status' -l problems -d 'show only what is wrong'
complete -c healthlb -n '__healthlb_verb status' -l vs -x -a '(__healthlb_names --vs)' -d 'only this virtual server; may be given several times'
complete -c healthlb -n '__healthlb_verb status' -l all -d 'show each of many healthy servers on a terminal, too, not one row for them'
complete -c healthlb -n '__healthlb_verb status' -l watch -d 'show it again every 2 s, or SECONDS; q ends it on a terminal'
complete -c healthlb -n '__healthlb_verb status' -s c -l config -r -F -d 'find the director where this file\'s api.listen says'
complete -c healthlb -n '__healthlb_verb status' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: http://127.0.0.1:9480, else where /etc/healthlb/healthlb.yaml says)'
complete -c healthlb -n '__healthlb_verb status' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'

complete -c healthlb -n __healthlb_no_verb -a explain -d 'say in sentences why a server or a VRRP instance is as it is, and what would bring it back, and when'
complete -c healthlb -n '__healthlb_verb explain' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb explain' -s c -l config -r -F -d 'find the director where this file\'s api.listen says'
complete -c healthlb -n '__healthlb_verb explain' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: http://127.0.0.1:9480, else where /etc/healthlb/healthlb.yaml says)'
complete -c healthlb -n '__healthlb_verb explain' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb explain' -l json -d 'print the sentences and the facts behind them as JSON'
complete -c healthlb -n '__healthlb_verb explain' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a events -d 'show what has happened, and what happens'
complete -c healthlb -n '__healthlb_verb events' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb events' -l since -x -d 'from then on: 1h (ago), or 2026-11-22T10:00:00Z'
complete -c healthlb -n '__healthlb_verb events' -l vs -x -a '(__healthlb_names --vs)' -d 'of this virtual server only'
complete -c healthlb -n '__healthlb_verb events' -l rs -x -a '(__healthlb_names --rs)' -d 'of this real server only'
complete -c healthlb -n '__healthlb_verb events' -l name -x -a '(__healthlb_names --name)' -d 'only these, real_server_down say; may be repeated'
complete -c healthlb -n '__healthlb_verb events' -l limit -x -d 'the newest N (default 100, all with --since, 10 with --follow)'
complete -c healthlb -n '__healthlb_verb events' -l follow -d 'go on with those to come until interrupted'
complete -c healthlb -n '__healthlb_verb events' -s c -l config -r -F -d 'find the director where this file\'s api.listen says'
complete -c healthlb -n '__healthlb_verb events' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: http://127.0.0.1:9480, else where /etc/healthlb/healthlb.yaml says)'
complete -c healthlb -n '__healthlb_verb events' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb events' -l json -d 'print one JSON object a line'

complete -c healthlb -n __healthlb_no_verb -a drain -d 'give a real server, or a whole machine, no new connections, and say when it is safe to take away'
complete -c healthlb -n '__healthlb_verb drain' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb drain' -l host -x -a '(__healthlb_names --host)' -d 'every real server with this address, or address:port, wherever it appears'
complete -c healthlb -n '__healthlb_verb drain' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb drain' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb drain' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb drain' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb drain' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb drain' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb drain' -l wait -d 'wait until no connection is left, and say whether it is safe'
complete -c healthlb -n '__healthlb_verb drain' -l remove -d 'take the row out of the table once no connection is left'
complete -c healthlb -n '__healthlb_verb drain' -l deadline -x -d 'with --wait: wait for so long (default 10m); with --remove: take the row out by then, whatever is open'
complete -c healthlb -n '__healthlb_verb drain' -l for -x -d 'end the drain by itself after this'
complete -c healthlb -n '__healthlb_verb drain' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a undrain -d 'take back that a real server was drained or disabled'
complete -c healthlb -n __healthlb_no_verb -a enable -d 'take back that a real server was drained or disabled'
complete -c healthlb -n '__healthlb_verb undrain enable' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb undrain enable' -l host -x -a '(__healthlb_names --host)' -d 'every real server with this address, or address:port, wherever it appears'
complete -c healthlb -n '__healthlb_verb undrain enable' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb undrain enable' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb undrain enable' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb undrain enable' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb undrain enable' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb undrain enable' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb undrain enable' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a disable -d 'take a real server out of the table at once, open connections or not'
complete -c healthlb -n '__healthlb_verb disable' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb disable' -l host -x -a '(__healthlb_names --host)' -d 'every real server with this address, or address:port, wherever it appears'
complete -c healthlb -n '__healthlb_verb disable' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb disable' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb disable' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb disable' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb disable' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb disable' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb disable' -l for -x -d 'enable it by itself after this'
complete -c healthlb -n '__healthlb_verb disable' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a weight -d 'put another weight in the place of a real server\'s configured one, or reset it'
complete -c healthlb -n '__healthlb_verb weight' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb weight' -l host -x -a '(__healthlb_names --host)' -d 'every real server with this address, or address:port, wherever it appears'
complete -c healthlb -n '__healthlb_verb weight' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb weight' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb weight' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb weight' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb weight' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb weight' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb weight' -l reset -d 'back to the configured weight'
complete -c healthlb -n '__healthlb_verb weight' -l for -x -d 'reset it by itself after this'
complete -c healthlb -n '__healthlb_verb weight' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a add -d 'add a real server to a pool of the running director, or bring back one that was removed'
complete -c healthlb -n '__healthlb_verb add' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb add' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb add' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb add' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb add' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb add' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb add' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb add' -l name -x -d 'its name (default: its address)'
complete -c healthlb -n '__healthlb_verb add' -l weight -x -d 'its weight (default: as the file\'s servers have it)'
complete -c healthlb -n '__healthlb_verb add' -l set -x -d 'any other key that a real server has in the file, its value as text or JSON: --set slow_start=30s'
complete -c healthlb -n '__healthlb_verb add' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a remove -d 'remove a real server from a pool of the running director'
complete -c healthlb -n '__healthlb_verb remove' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb remove' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb remove' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb remove' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb remove' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb remove' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb remove' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb remove' -l wait -d 'drain it first, and remove it once no connection is left'
complete -c healthlb -n '__healthlb_verb remove' -l deadline -x -d 'with --wait: wait for so long, and leave it if not (default 10m)'
complete -c healthlb -n '__healthlb_verb remove' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a failover -d 'hand a VRRP instance over to the other director if that serves clients as well, or take it back'
complete -c healthlb -n '__healthlb_verb failover' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb failover' -l back -d 'take back what was handed over'
complete -c healthlb -n '__healthlb_verb failover' -l force -d 'also where the director that is to be master would serve clients worse'
complete -c healthlb -n '__healthlb_verb failover' -l why -x -d 'the reason, for those who look at it later'
complete -c healthlb -n '__healthlb_verb failover' -s c -l config -r -F -d 'find the director where this file\'s api.admin says'
complete -c healthlb -n '__healthlb_verb failover' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: where /etc/healthlb/healthlb.yaml says, or unix:/run/healthlb/admin.sock)'
complete -c healthlb -n '__healthlb_verb failover' -l token-file -r -F -d 'holds the admin token (default: api.token_file)'
complete -c healthlb -n '__healthlb_verb failover' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb failover' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb failover' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a overrides -d 'list what operators changed at run time, by whom, why and until when'
complete -c healthlb -n '__healthlb_verb overrides' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb overrides' -s c -l config -r -F -d 'find the director where this file\'s api.listen says'
complete -c healthlb -n '__healthlb_verb overrides' -l url -x -d 'http://HOST:PORT, https://HOST:PORT or unix:/PATH of the director (default: http://127.0.0.1:9480, else where /etc/healthlb/healthlb.yaml says)'
complete -c healthlb -n '__healthlb_verb overrides' -l ca-file -r -F -d 'holds the certificates that an https director is trusted by'
complete -c healthlb -n '__healthlb_verb overrides' -l json -d 'print JSON, as /api/v1/overrides has it'

complete -c healthlb -n __healthlb_no_verb -a release -d 'take the virtual addresses of a director that died out of the kernel'
complete -c healthlb -n '__healthlb_verb release' -s h -l help -d 'show this help message and exit'

complete -c healthlb -n __healthlb_no_verb -a probe -d 'probe one real server once and show everything that was seen'
complete -c healthlb -n '__healthlb_verb probe' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb probe' -s c -l config -r -F -d 'the configuration file (default /etc/healthlb/healthlb.yaml)'
complete -c healthlb -n '__healthlb_verb probe' -l check -x -a '(__healthlb_names --check)' -d 'probe with this check alone (default: every check)'
complete -c healthlb -n '__healthlb_verb probe' -l json -d 'print JSON'
complete -c healthlb -n '__healthlb_verb probe' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a checks -d 'list the check types, or show the options of one'
complete -c healthlb -n '__healthlb_verb checks' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb checks' -l markdown -d 'print the reference of all types as Markdown'
complete -c healthlb -n '__healthlb_verb checks' -a '(__healthlb_names)'

complete -c healthlb -n __healthlb_no_verb -a schema -d 'print the JSON Schema of the configuration file'
complete -c healthlb -n '__healthlb_verb schema' -s h -l help -d 'show this help message and exit'

complete -c healthlb -n __healthlb_no_verb -a completion -d 'print what makes a shell complete the verbs, their options, and the names that the director knows'
complete -c healthlb -n '__healthlb_verb completion' -s h -l help -d 'show this help message and exit'
complete -c healthlb -n '__healthlb_verb completion' -a 'bash zsh fish'
