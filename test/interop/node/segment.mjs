// @segment/analytics-node, as its users write it: node segment.mjs URL WRITE_KEY
import { Analytics } from '@segment/analytics-node';

const [host, writeKey] = process.argv.slice(2);
const client = new Analytics({ writeKey, host });
client.on('error', (error) => {
  console.error(error);
  process.exitCode = 1;
});
client.identify({ userId: 'ann', traits: { plan: 'pro' } });
client.track({ userId: 'ann', event: 'Order Completed', properties: { total: 12.5 } });
client.page({ userId: 'ann', name: 'Home' });
client.screen({ userId: 'ann', name: 'Main' });
client.group({ userId: 'ann', groupId: 'g1' });
client.alias({ previousId: 'old', userId: 'ann' });
await client.closeAndFlush();
