import { describe, expect, it } from 'vitest';
import { emptyStoreForm, endpointsError, storeWish } from './store-wish.view-model.ts';

describe('the store of a new cluster', () => {
  it('is the embedded one unless something else is asked for', () => {
    expect(storeWish(emptyStoreForm)).toBeUndefined();
    expect(storeWish({ ...emptyStoreForm, kind: 'local' })).toEqual({ kind: 'local', members: 3 });
  });

  it('may be somebody’s etcd, with or without files', () => {
    const form = { ...emptyStoreForm, kind: 'external' as const, endpoints: 'https://a:2379, https://b:2379' };
    expect(storeWish({ ...form, ca: ' /etc/ca.crt ' })).toEqual({
      kind: 'external',
      endpoints: ['https://a:2379', 'https://b:2379'],
      ca: '/etc/ca.crt',
    });
    expect(endpointsError(form)).toBeUndefined();
    expect(endpointsError({ ...form, endpoints: 'a:2379' })).toContain('https://');
    expect(endpointsError({ ...form, endpoints: '' })).toContain('https://');
  });
});
