import { sshPaths } from './paths.ts';

/**
 * `/opt/drydock/agent.sh`: what a machine does with its agent, in POSIX shell, since it also runs where nothing is installed.
 *
 * - `run`: becomes the supervisor, after ending what a supervisor that died left behind; containers go on.
 * - `loop`: runs it for ever, on machines without systemd.
 * - `start`, `stop`: in order; `kill`: SIGKILL for all of ours at once; `pause`, `unpause`: SIGSTOP and SIGCONT.
 * - `state`: `running`, `paused`, `stopped`, `killed` or `absent`.
 * - `guard unpause|start`: says `on`, and does that when its standard input ends: heals when Drydock dies. A line `drop` ends it.
 *
 * What is wanted is kept on disk, so that a machine that was stopped stays so over a reboot.
 */
export const agentScript = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
bundle=${sshPaths.agentBundle}
state=${sshPaths.state}
wanted=${sshPaths.agentState}/wanted
unit=drydock-agent.service
systemd() { [ -d /run/systemd/system ]; }

# Process ids of ours: "orphans" for the supervisor and what it runs, "programs" for the loop around it too, "all" for the
# containers too (they are below the shims of our containerd). Faults heal by themselves and are left out.
ours() {
  found=' '
  parents=
  for folder in /proc/[0-9]*; do
    pid=\${folder#/proc/}
    { read -r stat <$folder/stat; } 2>/dev/null || continue
    set -- "$1" \${stat##*) }
    parents="$parents $pid:$3"
    [ $pid = $$ ] && continue
    case $(tr '\\0' ' ' 2>/dev/null <$folder/cmdline) in
      *"node "*"$bundle fault"*) ;;
      *sudo*) ;;
      *"node $bundle "* | *"/node $bundle "* | *"containerd --config ${sshPaths.config}"*) found="$found$pid " ;;
      *"sh ${sshPaths.agentScript} loop"*) [ "$1" = orphans ] || found="$found$pid " ;;
      *containerd-shim*" -address $state/"*) [ "$1" = all ] && found="$found$pid " ;;
    esac
  done
  if [ "$1" = all ]; then
    before=
    while [ "$before" != "$found" ]; do
      before=$found
      for pair in $parents; do
        case $found in *" \${pair#*:} "*) case $found in *" \${pair%:*} "*) ;; *) found="$found\${pair%:*} " ;; esac ;; esac
      done
    done
  fi
  echo $found
}

# Until nothing is left: children may be born meanwhile.
end() {
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    pids=$(ours $1)
    [ -z "$pids" ] && return 0
    kill -KILL $pids 2>/dev/null
    [ $try -gt 3 ] && sleep 0.1
  done
  return 1
}

# What a reboot forgets.
forget() {
  while read -r _ path _; do
    case $path in $state/* | ${sshPaths.kubeletState}/*) echo $path ;; esac
  done </proc/mounts | while read -r path; do umount -l "$path" 2>/dev/null; done
  rm -rf $state /run/drydock/ready /run/drydock/paused /run/drydock/hold
}

want() { mkdir -p \${wanted%/*}; echo $1 >$wanted.new && mv -f $wanted.new $wanted; }

supervisor() {
  for folder in /proc/[0-9]*; do
    case $(tr '\\0' ' ' 2>/dev/null <$folder/cmdline) in
      "node $bundle supervise"* | */"node $bundle supervise"*) echo \${folder#/proc/}; return 0 ;;
    esac
  done
  return 1
}

# Two of these at once would start two supervisors: Drydock, and a guard that thinks it dead.
lock=/run/drydock/agent.lock
alone() {
  mkdir -p /run/drydock
  exec 9>$lock
  command -v flock >/dev/null && flock 9
}
case $1 in start | stop | kill | pause | unpause) alone ;; esac

case $1 in
  run)
    end orphans
    mkdir -p /run/drydock /var/log/drydock
    rm -f /run/drydock/ready
    exec node $bundle supervise
    ;;
  loop)
    trap 'stopping=1; kill -TERM $child 2>/dev/null' TERM
    while [ -z "$stopping" ]; do
      end orphans
      rm -f /run/drydock/ready
      node $bundle supervise &
      child=$!
      wait $child
      # A signal ends the wait, not the child.
      while kill -0 $child 2>/dev/null; do wait $child; done
      [ -n "$stopping" ] && break
      sleep 1
    done
    ;;
  start)
    want running
    rm -f /run/drydock/ready
    mkdir -p /run/drydock /var/log/drydock
    if systemd; then
      systemctl daemon-reload && systemctl enable -q $unit && systemctl restart $unit
    else
      end programs
      setsid sh ${sshPaths.agentScript} loop </dev/null >>/var/log/drydock/supervisor.log 2>&1 9>&- &
    fi
    ;;
  reload) kill -HUP $(supervisor) ;;
  stop)
    want stopped
    kill -CONT $(ours all) 2>/dev/null
    if systemd; then
      systemctl disable -q --now $unit 2>/dev/null
    else
      kill -TERM $(for pid in $(ours programs); do
        case $(tr '\\0' ' ' 2>/dev/null </proc/$pid/cmdline) in "sh ${sshPaths.agentScript} loop"*) echo $pid ;; esac
      done) 2>/dev/null
      for try in $(seq 1 200); do supervisor >/dev/null || break; sleep 0.1; done
    fi
    end all
    forget
    ;;
  kill)
    want killed
    systemd && systemctl disable -q $unit 2>/dev/null
    systemd && systemctl kill --signal=KILL $unit 2>/dev/null
    end all
    systemd && systemctl stop $unit 2>/dev/null
    end all
    forget
    ;;
  pause)
    before=
    pids=$(ours all)
    while [ "$before" != "$pids" ]; do
      kill -STOP $pids 2>/dev/null
      before=$pids
      pids=$(ours all)
    done
    : >/run/drydock/paused
    ;;
  unpause)
    rm -f /run/drydock/paused
    kill -CONT $(ours all) 2>/dev/null
    true
    ;;
  state)
    if [ -e /run/drydock/paused ] && supervisor >/dev/null; then echo paused
    elif supervisor >/dev/null; then [ -e /run/drydock/ready ] && echo running || echo starting
    elif [ -r $wanted ]; then
      read -r word <$wanted
      # Wanted, and not there: a machine that rebooted without systemd, or a supervisor between two lives.
      [ "$word" = running ] && echo down || echo $word
    else echo absent
    fi
    ;;
  guard)
    # A login session that ends may take its processes along: first it asks.
    trap : HUP TERM
    echo on
    read -r word
    [ "$word" = drop ] && exit 0
    # What is being done now was asked for before Drydock died.
    command -v flock >/dev/null && flock $lock true
    state=$(sh ${sshPaths.agentScript} state)
    case $2:$state in
      start:stopped | start:killed | unpause:paused) sh ${sshPaths.agentScript} $2 </dev/null >/dev/null 2>&1 ;;
    esac
    ;;
  *) echo "agent.sh: unknown command $1" >&2; exit 2 ;;
esac
`;

/** Only the supervisor is systemd's to end: containers outlive it, as they do everywhere else. */
export const systemdUnit = `[Unit]
Description=Drydock node agent
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/bin/sh ${sshPaths.agentScript} run
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
KillMode=process
TimeoutStopSec=30
Delegate=yes
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=1048576
StandardOutput=append:/var/log/drydock/supervisor.log
StandardError=append:/var/log/drydock/supervisor.log

[Install]
WantedBy=multi-user.target
`;
