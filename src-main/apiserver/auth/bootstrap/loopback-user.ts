import { deepFreeze } from '#base/freeze';
import type { UserInfo } from '../../request.ts';

/** Who the server is to itself: writes what every cluster begins with. */
export const loopbackUser: UserInfo = deepFreeze({
  name: 'system:apiserver',
  groups: ['system:masters', 'system:authenticated'],
});
