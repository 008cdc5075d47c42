import { admin } from '../../harness/api-server.ts';
import { transportSuite } from './suite.ts';

transportSuite('in process', async (api) => ({
  transport: api.transport(admin, 'conformance/1'),
  close: async () => {},
}));
