import { describeFaultKinds } from './faults.ts';
import type { CommandSpec, OptionSpec } from './options.ts';

const home: OptionSpec = {
  name: 'home',
  value: 'DIR',
  help: 'folder that keeps labs',
  fallback: "$DRYDOCK_HOME, else the platform's data directory",
};
const name: OptionSpec = { name: 'name', value: 'NAME', help: 'which lab', fallback: 'lab' };
const json: OptionSpec = { name: 'json', help: 'print JSON' };

function nodeCommand(verb: string, summary: string): CommandSpec {
  return { name: `node ${verb}`, positionals: ['NAME'], summary, options: [name, home] };
}

function masterCommand(verb: string, summary: string): CommandSpec {
  return { name: `master ${verb}`, positionals: ['NAME'], summary, options: [name, home] };
}

function memberCommand(verb: string, summary: string): CommandSpec {
  return { name: `etcd ${verb}`, positionals: ['NAME'], summary, options: [name, home] };
}

/** Every command with its flags: what is parsed and what `--help` prints. */
export const commandSpecs: readonly CommandSpec[] = [
  {
    name: 'up',
    positionals: [],
    summary: 'Create a lab, or start one again, and wait until every node is Ready.',
    options: [
      name,
      { name: 'driver', value: 'embedded|docker|ssh', help: 'where worker nodes come from', fallback: 'embedded' },
      {
        name: 'masters',
        value: 'N',
        help: 'control planes, 1 to 5; usually 1, 3 or 5: members that vote want an odd number',
        fallback: '1',
      },
      { name: 'workers', value: 'N', help: 'worker nodes', fallback: '3' },
      { name: 'cpus', value: 'QUANTITY', help: 'CPUs of each worker', fallback: '2 for docker, 4 for embedded' },
      {
        name: 'memory',
        value: 'QUANTITY',
        help: 'memory of each worker',
        fallback: '2Gi for docker, 8Gi for embedded',
      },
      home,
      { name: 'kubeconfig', value: 'FILE', help: 'also write the entry into this kubeconfig and make it current' },
      {
        name: 'api-port',
        value: 'N',
        help: 'port of the API server on 127.0.0.1',
        fallback: 'the last one, else 6443 or any free',
      },
      {
        name: 'etcd',
        value: 'embedded|local:N',
        help: 'what the lab keeps its objects in: Drydock, or 1, 3 or 5 members of the etcd that is installed',
        fallback: 'embedded',
      },
      { name: 'etcd-endpoints', value: 'URL[,URL...]', help: 'an etcd of your own, https:// or http://' },
      { name: 'etcd-ca', value: 'FILE', help: 'authority of its certificates', fallback: "this computer's" },
      { name: 'etcd-cert', value: 'FILE', help: 'client certificate for it' },
      { name: 'etcd-key', value: 'FILE', help: 'private key of that; read at each start, never copied' },
      { name: 'ui-port', value: 'N|none', help: 'port of the UI on 127.0.0.1', fallback: 'any free' },
      { name: 'detach', help: 'return when the lab is Ready and leave it running' },
      { ...json, help: 'print one JSON object: name, server, kubeconfig, uiUrl, pid, etcd, masters, store' },
    ],
    examples: [
      'drydock up',
      'drydock up --workers 5 --detach',
      'drydock up --masters 3',
      'drydock up --masters 3 --etcd local:3',
      'drydock up --etcd-endpoints https://10.0.0.7:2379 --etcd-ca ca.crt --etcd-cert client.crt --etcd-key client.key',
      'drydock up --driver docker --cpus 2 --memory 2Gi',
      'drydock up --name ci --json --ui-port none --detach',
    ],
  },
  {
    name: 'down',
    positionals: [],
    summary: 'Stop a lab. Everything in it is kept, unless it is to be deleted.',
    options: [
      name,
      home,
      { name: 'delete', help: 'remove the lab and everything it kept, its containers and what it put on machines' },
      { name: 'force', help: 'with --delete: forget machines that cannot be reached' },
    ],
  },
  { name: 'list', positionals: [], summary: 'List labs.', options: [home, json] },
  {
    name: 'status',
    positionals: [],
    summary: 'Show masters, nodes and components of a lab with their health.',
    options: [name, home, json],
  },
  { name: 'kubeconfig', positionals: [], summary: 'Print the kubeconfig of a lab.', options: [name, home] },
  {
    name: 'node add',
    positionals: ['NAME'],
    summary: 'Add a worker node to a running lab, and wait until it is Ready.',
    options: [
      name,
      { name: 'driver', value: 'embedded|docker|ssh', help: 'where it comes from', fallback: "the lab's own" },
      { name: 'cpus', value: 'QUANTITY', help: 'its CPUs (embedded, docker)' },
      { name: 'memory', value: 'QUANTITY', help: 'its memory (embedded, docker)' },
      { name: 'host', value: 'USER@ADDRESS[:PORT]', help: 'the machine to reach by SSH' },
      { name: 'identity', value: 'FILE', help: 'private key to log in with', fallback: 'the SSH agent' },
      { name: 'password-file', value: 'FILE', help: 'file with the password, or with the passphrase of the key' },
      { name: 'jump', value: 'USER@ADDRESS[:PORT]', help: 'machine to go through' },
      { name: 'trust', value: 'FINGERPRINT', help: 'host key to trust (SHA256:...); several with commas' },
      { name: 'archive', value: 'FILE', help: 'what to install from, for a machine that reaches no mirror' },
      home,
    ],
    examples: [
      'drydock node add worker-4',
      'drydock node add big --driver docker --cpus 4 --memory 4Gi',
      'drydock node add pi --driver ssh --host root@192.168.1.20 --identity ~/.ssh/id_ed25519',
    ],
  },
  nodeCommand('kill', 'Pull the plug of a node: nothing is told to anybody.'),
  nodeCommand('start', 'Start a node that was killed.'),
  nodeCommand('delete', 'Remove a node: its machine and its Node object.'),
  {
    name: 'master list',
    positionals: [],
    summary: 'List the masters of a lab, what runs on them and who leads.',
    options: [name, home, json],
  },
  masterCommand('kill', 'Pull the plug of a master: its leases run out, its connections break, the store lives on.'),
  masterCommand('start', 'Start a master that was killed, and wait until it serves.'),
  {
    name: 'etcd list',
    positionals: [],
    summary: "List the members of a lab's etcd, and who leads.",
    options: [name, home, json],
  },
  memberCommand('kill', 'Pull the plug of an etcd member. A majority of members must live for writes.'),
  memberCommand('start', 'Start an etcd member that was killed.'),
  {
    name: 'image load',
    positionals: ['NAME|FILE'],
    summary: "Put an image of this computer's Docker, or of an archive, on every Docker and SSH node.",
    options: [name, home],
    examples: ['drydock image load my-app:dev', 'drydock image load nginx', 'drydock image load ./my-app.tar'],
  },
  {
    name: 'snapshot save',
    positionals: ['FILE'],
    summary: 'Save a whole lab, running or not, in one new file.',
    details: [
      'The file holds the configuration, the store with all its history, and the certificates and PRIVATE KEYS of',
      'the lab: who has it is the administrator of every lab restored from it. It is readable by you alone (mode 0600).',
      'Passwords of SSH machines, images, and what containers wrote are not in it.',
    ],
    options: [name, home],
    examples: ['drydock snapshot save before-upgrade.drydock', 'drydock snapshot save --name ci /backup/ci.drydock'],
  },
  {
    name: 'snapshot restore',
    positionals: ['FILE'],
    summary: 'Make a stopped lab of a saved one, with all its objects, revisions and history.',
    details: [
      'Simulated and Docker nodes are made new when it starts, and their pods start again; machines reached by SSH are',
      "left out, because a machine obeys one lab: add them again with 'drydock node add'. Ports are chosen afresh where they are taken.",
    ],
    options: [
      {
        name: 'name',
        value: 'NAME',
        help: 'what to call the lab; one that is not there yet',
        fallback: 'as it was called',
      },
      home,
    ],
    examples: ['drydock snapshot restore before-upgrade.drydock --name again'],
  },
  {
    name: 'snapshot show',
    positionals: ['FILE'],
    summary: 'Tell what a saved lab is.',
    options: [json],
  },
  {
    name: 'fault add',
    positionals: ['KIND', 'NODE'],
    rest: '[NODE|AMOUNT...]',
    summary: 'Break something on purpose. It heals by itself, at heal, at down, and when Drydock ends.',
    details: describeFaultKinds(),
    options: [
      { name: 'for', value: 'TIME', help: 'when it heals by itself: 90s, 5m, 1h', fallback: '5m' },
      { name: 'one-way', help: 'of a cut: only what the first sends to the second' },
      name,
      home,
      { ...json, help: 'print the fault as JSON instead of its id' },
    ],
    examples: [
      'drydock fault add cut worker-1 worker-2 --for 60s',
      'drydock fault add cut worker-1 api',
      'drydock fault add loss worker-1 worker-2 10%',
      'drydock fault add rate worker-1 1mbit',
      'drydock fault add process worker-1 kubelet',
      'drydock fault add pause worker-1',
      'drydock fault add disk worker-1 5%',
    ],
  },
  { name: 'fault list', positionals: [], summary: 'List what is broken on purpose.', options: [name, home, json] },
  {
    name: 'fault heal',
    positionals: [],
    rest: '[ID]',
    summary: 'Undo a fault, or all of them.',
    options: [{ name: 'all', help: 'everything that is broken on purpose' }, name, home],
    examples: ['drydock fault heal f-1', 'drydock fault heal --all'],
  },
];

export function findCommand(args: readonly string[]): { spec: CommandSpec; rest: readonly string[] } | undefined {
  for (const spec of commandSpecs) {
    const words = spec.name.split(' ');
    if (words.every((word, i) => args[i] === word)) return { spec, rest: args.slice(words.length) };
  }
  return undefined;
}

export function renderOverview(): string {
  const rows = commandSpecs.map((spec) => ({
    left: [spec.name, ...spec.positionals, ...(spec.rest ? [spec.rest] : [])].join(' '),
    right: spec.summary,
  }));
  const width = Math.max(...rows.map((row) => row.left.length));
  return [
    'Drydock: a desktop lab for multi-node Kubernetes clusters.',
    '',
    'Usage: drydock COMMAND [flags]',
    '',
    'Commands:',
    ...rows.map((row) => `  ${row.left.padEnd(width)}  ${row.right}`),
    '',
    "Run 'drydock COMMAND --help' for the flags of one.",
  ].join('\n');
}
