import type { Socket } from '#base/streams';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const maxHeadBytes = 16 * 1024;

export interface TinyAnswer {
  readonly status: number;
  readonly body: string;
}

/** Answers one GET a connection with plain text: enough for health checks and metrics inside the simulated network. */
export async function serveHttp(socket: Socket, answer: (path: string) => TinyAnswer): Promise<void> {
  try {
    let head = '';
    for await (const chunk of socket.incoming) {
      head += decoder.decode(chunk, { stream: true });
      if (head.includes('\r\n\r\n') || head.length > maxHeadBytes) break;
    }
    const path = /^GET (\S+) HTTP\/1\.[01]\r\n/.exec(head)?.[1];
    const { status, body } = path === undefined ? { status: 400, body: 'bad request' } : answer(path);
    const text = encoder.encode(body);
    const reason = status === 200 ? 'OK' : status === 503 ? 'Service Unavailable' : 'Bad Request';
    await socket.write(
      encoder.encode(
        `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${text.byteLength}\r\nConnection: close\r\n\r\n`,
      ),
    );
    await socket.write(text);
    socket.end();
  } catch (error) {
    socket.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}
