import dnsPacket from 'dns-packet';
import type { ByteStream } from '#base/streams';
import { DnsFrames, frame } from './frames.ts';
import { responseCode } from './wire.ts';

const noError = 0;

/**
 * Whether the DNS server at the other end of a connection knows an IPv4 address of `name`. The connection stays open. Rejects when
 * it breaks.
 */
export async function knowsAddressOf(stream: ByteStream, name: string): Promise<boolean> {
  const flags = dnsPacket.RECURSION_DESIRED;
  await stream.write(frame(dnsPacket.encode({ type: 'query', id: 1, flags, questions: [{ name, type: 'A' }] })));
  const frames = new DnsFrames();
  for await (const chunk of stream.incoming)
    for (const reply of frames.push(chunk))
      return responseCode(reply) === noError && (dnsPacket.decode(Buffer.from(reply)).answers ?? []).length > 0;
  return false;
}
