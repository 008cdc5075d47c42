// Real traffic for the kube-proxy tests, one small program with five uses:
//   peer.mjs serve NAME IP PORT            answers each TCP line and UDP datagram with "NAME <the caller's address>"
//   peer.mjs ask tcp|udp IP PORT [COUNT]   one fresh connection or socket a question; prints answers or error codes
//   peer.mjs hold tcp|udp IP PORT          one connection or socket; each line of standard input is a question
//   peer.mjs relay IP PORT SOCKET          passes TCP connections on to a Unix socket, which crosses namespaces
//   peer.mjs get URL                       prints status and body
import dgram from 'node:dgram';
import net from 'node:net';
import { createInterface } from 'node:readline';

const [use, ...args] = process.argv.slice(2);
const patienceMs = 1_500;

function serve(name, ip, port) {
  net
    .createServer((socket) => {
      socket.on('data', () => socket.write(`${name} ${socket.remoteAddress}\n`));
      socket.on('error', () => undefined);
    })
    .listen({ host: ip, port }, () => console.log('ready'));
  const datagrams = dgram.createSocket('udp4');
  datagrams.on('message', (_message, from) => datagrams.send(`${name} ${from.address}\n`, from.port, from.address));
  datagrams.bind(port, ip);
}

/** Asks one question at a time; resolves with the answer, an error code, or "timeout". */
function asker(protocol, ip, port) {
  let answer = () => undefined;
  const tcp = protocol === 'tcp';
  const socket = tcp ? net.connect({ host: ip, port }) : dgram.createSocket('udp4');
  socket.on(tcp ? 'data' : 'message', (bytes) => answer(bytes.toString().trim()));
  socket.on('error', (error) => answer(error.code));
  if (!tcp) socket.connect(port, ip);
  let connected = tcp ? undefined : new Promise((resolve) => socket.once('connect', resolve));
  const ask = async () => {
    await connected;
    connected = undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve('timeout'), patienceMs);
      answer = (text) => {
        clearTimeout(timer);
        resolve(text);
      };
      if (tcp) socket.write('?\n');
      else socket.send('?\n');
    });
  };
  return { ask, close: () => (tcp ? socket.destroy() : socket.close()) };
}

function relay(ip, port, path) {
  const server = net.createServer((inner) => {
    const outer = net.connect({ path });
    inner.pipe(outer).pipe(inner);
    inner.on('error', () => outer.destroy());
    outer.on('error', () => inner.destroy());
  });
  server.listen({ host: ip, port }, () => console.log('ready'));
}

if (use === 'relay') {
  relay(args[0], Number(args[1]), args[2]);
} else if (use === 'get') {
  const response = await fetch(args[0]).catch((error) => ({ status: error.cause?.code, text: () => '' }));
  console.log(response.status, await response.text());
} else if (use === 'serve') {
  serve(args[0], args[1], Number(args[2]));
} else if (use === 'ask') {
  const [protocol, ip, port, count = '1'] = args;
  for (let i = 0; i < Number(count); i++) {
    const { ask, close } = asker(protocol, ip, Number(port));
    console.log(await ask());
    close();
  }
} else {
  const { ask } = asker(args[0], args[1], Number(args[2]));
  for await (const _line of createInterface({ input: process.stdin })) console.log(await ask());
  process.exit(0);
}
