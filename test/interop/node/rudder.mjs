// @rudderstack/rudder-sdk-node, as its users write it: node rudder.mjs URL WRITE_KEY GZIP(true|false)
import Analytics from '@rudderstack/rudder-sdk-node';

const [url, key, gzip] = process.argv.slice(2);
const client = new Analytics(key, { dataPlaneUrl: url, gzip: gzip === 'true', flushAt: 20 });
client.identify({ userId: 'ann', traits: { plan: 'pro' } });
client.track({ userId: 'ann', event: 'Order Completed', properties: { total: 12.5 } });
client.page({ userId: 'ann', name: 'Home' });
client.screen({ userId: 'ann', name: 'Main' });
client.group({ userId: 'ann', groupId: 'g1' });
client.alias({ previousId: 'old', userId: 'ann' });
await client.flush();
