import type { Pod, ReplicaSet } from '#api/gen/types';

/** Who a pod belongs to, as a person sees it: the Deployment, not its ReplicaSet. */
export interface Owner {
  readonly uid: string;
  readonly kind: string;
  readonly name: string;
}

export function ownerOf(pod: Pod, replicaSetByUid: (uid: string) => ReplicaSet | undefined): Owner {
  const controller = pod.metadata?.ownerReferences?.find((owner) => owner.controller);
  if (!controller) return { uid: pod.metadata?.uid ?? '', kind: 'Pod', name: pod.metadata?.name ?? '' };
  const above = replicaSetByUid(controller.uid)?.metadata?.ownerReferences?.find((owner) => owner.controller);
  const { uid, kind, name } = above ?? controller;
  return { uid, kind, name };
}

/**
 * Hues in degrees, far from red, amber, green and blue, which have jobs of their own. The first ones are
 * the most different, so that a small lab gets them.
 */
export const hues = [205, 298, 38, 338, 183, 318, 226, 278] as const;

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}

/**
 * A hue for each owner: from its uid, so that it is the same next time; the next free one when another owner has it already.
 * An owner keeps its hue as long as the allocator lives.
 */
export class HueAllocator {
  readonly #given = new Map<string, number>();

  hueOf(uid: string): number {
    const known = this.#given.get(uid);
    if (known !== undefined) return known;
    const first = hash(uid) % hues.length;
    const taken = new Set(this.#given.values());
    for (let step = 0; step < hues.length; step++) {
      const hue = hues[(first + step) % hues.length] ?? hues[0];
      if (!taken.has(hue)) return this.#give(uid, hue);
    }
    return this.#give(uid, hues[first] ?? hues[0]);
  }

  #give(uid: string, hue: number): number {
    this.#given.set(uid, hue);
    return hue;
  }
}
