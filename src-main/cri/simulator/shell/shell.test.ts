import { describe, expect, it } from 'vitest';
import { Context } from '#base/context';
import { ContainerFixture } from '../testing/container-fixture.ts';

/** Scripts with what they print; the exit code is 0 unless it is given. */
const scripts: readonly (readonly [string, string, number?])[] = [
  ['echo hello world', 'hello world\n'],
  ['x=5; echo "$x" \'$x\' $((x * 2 + 1))', '5 $x 11\n'],
  ['for i in 1 2 3; do echo $i; done | tail -n 1', '3\n'],
  ['i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done', '1\n2\n3\n'],
  ['until false; do echo once; break; done', 'once\n'],
  ['f() { local a=1; echo "$# $1 $a"; return 3; }; f x y; echo $?', '2 x 1\n3\n'],
  ['case foo.txt in *.md) echo md;; *.txt) echo txt;; esac', 'txt\n'],
  ['echo $(echo inner; exit 4); echo "${y:-default} ${#x} ${HOSTNAME}"', 'inner\ndefault 0 web-0\n'],
  ['p=/a/b/c.tar.gz; echo ${p##*/} ${p%.gz} ${p#*/} ${p%%.*}', 'c.tar.gz /a/b/c.tar a/b/c.tar.gz /a/b/c\n'],
  ['echo a b c | { read x y; echo "$y"; }', 'b c\n'],
  ['printf "%s=%03d\\n" a 7 b 8', 'a=007\nb=008\n'],
  ['false || echo or; true && echo and; ! true; echo $?', 'or\nand\n1\n'],
  ['cat <<EOF\nhi $((1+1))\nEOF', 'hi 2\n'],
  ['echo one > /tmp/f; echo two >> /tmp/f; cat /tmp/f; wc -l < /tmp/f', 'one\ntwo\n2\n'],
  ['(cd /tmp; pwd); pwd', '/tmp\n/\n'],
  ['set -- a "b c"; for x in "$@"; do echo "[$x]"; done; echo $#', '[a]\n[b c]\n2\n'],
  ['touch /tmp/1.x /tmp/2.x; cd /tmp; echo *.x; echo "*.x" *.none', '1.x 2.x\n*.x *.none\n'],
  ['exit 3', '', 3],
  ['nosuchcommand', '', 127],
  ['set -e; false; echo no', '', 1],
  ['yes | head -n 2', 'y\ny\n'],
  ['seq 1 5 | grep -v 3 | sort -r | tr "\\n" ,', '5,4,2,1,'],
  ['echo "b 2" | awk \'{print $2}\'; echo abc | sed s/b/X/', '2\naXc\n'],
  ['sleep 2 & p=$!; wait $p; echo done $?', 'done 0\n'],
  ['trap "echo bye" EXIT; echo hi', 'hi\nbye\n'],
  ["sh -c 'exit 7'; echo $?", '7\n'],
  ['echo err >&2; echo out 2>&1 >/dev/null', ''],
  ['tar cf - /etc/hostname | tar tf -', 'etc/hostname\n'],
  ['date -d @0 +%Y-%m-%dT%H:%M:%S', '1970-01-01T00:00:00\n'],
  ['[ -d /etc ] && [ ! -f /nope ] && [ 2 -gt 1 -a a != b ]; echo $?', '0\n'],
  ['env -i A=1 env', 'A=1\n'],
  ['echo a/b/c | cut -d/ -f2; basename /x/y', 'b\ny\n'],
  ['printf "1\\n2\\n" | xargs -n1 echo n', 'n 1\nn 2\n'],
  ['printf "a1\\nb\\nA2\\n" | grep -i -e "^a[[:digit:]]" -e zzz; echo "foo=bar" | grep -o "[a-z]*$"', 'a1\nA2\nbar\n'],
  [
    'printf "x\\ny\\n" > /tmp/g; grep -n y /tmp/g; grep -c . /tmp/g; echo "a(b)" | grep "(b)"; echo ab | grep -E "(a|z)b"',
    '2:y\n2\na(b)\nab\n',
  ],
  ['IFS=:; set -- $PATH; echo $1', '/usr/local/sbin\n'],
];

describe('sh -c', () => {
  it.each(scripts.map(([script, out, code = 0]) => ({ script, out, code })))(
    '$script',
    async ({ script, out, code }) => {
      const result = await new ContainerFixture().sh(script);
      expect(result).toMatchObject({ out, code });
    },
  );

  it('streams the log of an endless loop line by line', async () => {
    const at = new ContainerFixture();
    await at.sh('true'); // loads the shell: that takes real time, not the clock's
    const script = 'i=0; while true; do echo "tick $i"; i=$((i+1)); sleep 1; done';
    const id = await at.start('busybox', { command: ['sh', '-c', script] });
    for (let tenth = 0; tenth < 34; tenth++) await at.clock.step(100);
    expect(await at.log(id)).toBe('tick 0\ntick 1\ntick 2\ntick 3\n');
    expect((await at.status(id)).state).toBe('CONTAINER_RUNNING');
  });

  it('runs a trap at SIGTERM and ends by its exit', async () => {
    const at = new ContainerFixture();
    const script = 'trap "echo stopping; exit 5" TERM; while true; do sleep 1; done';
    const id = await at.start('busybox', { command: ['sh', '-c', script] });
    await at.clock.step(1_500);
    await at.settle(at.runtime.stopContainer(Context.background(), id, 30));
    expect(await at.log(id)).toBe('stopping\n');
    expect((await at.status(id)).exitCode).toBe(5);
  });

  it('does not starve others in a loop that never waits', async () => {
    const at = new ContainerFixture();
    const id = await at.start('busybox', { command: ['sh', '-c', 'while :; do :; done'] });
    await at.clock.step(100);
    await at.runtime.stopContainer(Context.background(), id, 0);
    expect((await at.status(id)).exitCode).toBe(137);
  });

  it('fetches a page by name over DNS', async () => {
    const at = new ContainerFixture();
    const { decode, encode } = await import('dns-packet');
    const asked: string[] = [];
    const web = await at.start('nginx');
    const { podSandboxId } = await at.status(web);
    const { ip = '' } = await at.runtime.podSandboxStatus(Context.background(), podSandboxId);
    at.network.add('10.96.0.10').listenDatagram(53, (payload, _from, reply) => {
      const query = decode(Buffer.from(payload));
      const name = query.questions?.[0]?.name ?? '';
      asked.push(name);
      const found = name === 'web.default.svc.cluster.local';
      reply(
        encode({
          type: 'response',
          id: query.id ?? 0,
          flags: found ? 0 : 3,
          questions: query.questions ?? [],
          answers: found ? [{ type: 'A', name, data: ip, ttl: 5 }] : [],
        }),
      );
    });
    const result = await at.sh('wget -qO- http://web | grep title; wget -q http://nope; nslookup web | tail -3');
    expect(result.out).toContain('<title>Welcome to nginx!</title>');
    expect(result.out).toContain(`Name:\tweb.default.svc.cluster.local\nAddress: ${ip}`);
    expect(result.err).toBe("wget: bad address 'nope'\n");
    expect(asked.slice(0, 1)).toEqual(['web.default.svc.cluster.local']);
  });
});

describe('exec', () => {
  it('gives a prompt, an echo and state between the lines of an interactive shell', async () => {
    const at = new ContainerFixture();
    await at.sh('true');
    const id = await at.start('busybox', { command: ['sleep', '100000'] });
    const session = await at.runtime.exec(Context.background(), id, {
      command: ['sh'],
      tty: true,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    let screen = '';
    const reading = (async () => {
      for await (const chunk of session.stdout) screen += Buffer.from(chunk).toString('utf8');
    })();
    for (const line of ['cd /tmp', 'X=1', 'echo $X $PWD', 'exit 3']) {
      await at.clock.step(100);
      await session.stdin?.write(Buffer.from(`${line}\r`));
    }
    expect(await at.settle(session.exit)).toEqual({ exitCode: 3 });
    await reading;
    expect(screen).toContain('/ # ');
    expect(screen).toContain('echo $X $PWD\r\n');
    expect(screen).toContain('1 /tmp\r\n/tmp # ');
  });

  it('interrupts the running command by ^C and goes on', async () => {
    const at = new ContainerFixture();
    await at.sh('true');
    const id = await at.start('busybox', { command: ['sleep', '100000'] });
    const session = await at.runtime.exec(Context.background(), id, {
      command: ['sh'],
      tty: true,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    let screen = '';
    void (async () => {
      for await (const chunk of session.stdout) screen += Buffer.from(chunk).toString('utf8');
    })();
    await session.stdin?.write(Buffer.from('sleep 5000\r'));
    await at.clock.step(1_000);
    await session.stdin?.write(Buffer.from('\u0003'));
    await at.clock.step(1_000);
    await session.stdin?.write(Buffer.from('echo alive; exit\r'));
    await at.settle(session.exit);
    expect(screen).toContain('alive\r\n');
  });

  it('says in runc words that a binary is missing', async () => {
    const at = new ContainerFixture();
    const id = await at.start('busybox', { command: ['sleep', '100000'] });
    await expect(at.exec(id, ['foo'])).rejects.toMatchObject({
      message: expect.stringMatching(
        /OCI runtime exec failed: exec failed: unable to start container process: exec: "foo": executable file not found in \$PATH: unknown$/,
      ),
    });
  });

  it('passes bytes through tar unharmed, as kubectl cp needs', async () => {
    const at = new ContainerFixture();
    const id = await at.start('busybox', { command: ['sleep', '100000'] });
    await at.exec(id, ['sh', '-c', 'printf "\\x00\\xff\\x80\\n" > /tmp/bin']);
    const session = await at.runtime.exec(Context.background(), id, {
      command: ['tar', 'cf', '-', '/tmp/bin'],
      tty: false,
      stdin: false,
      stdout: true,
      stderr: true,
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of session.stdout) chunks.push(chunk);
    const archive = Buffer.concat(chunks);
    const back = await at.runtime.exec(Context.background(), id, {
      command: ['tar', '-xmf', '-', '-C', '/home'],
      tty: false,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    await back.stdin?.write(archive);
    back.stdin?.end();
    expect(await at.settle(back.exit)).toEqual({ exitCode: 0 });
    const copy = await at.exec(id, [
      'sh',
      '-c',
      'cmp() { [ "$(md5sum < $1)" = "$(md5sum < $2)" ]; }; cmp /tmp/bin /home/tmp/bin && echo same',
    ]);
    expect(copy.out).toBe('same\n');
  });
});
