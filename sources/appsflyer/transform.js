// AppsFlyer's Push API. https://support.appsflyer.com/hc/en-us/articles/207034356-Push-API
import { Dead } from 'sluice';
import { eventFrom, fill, objectOf } from '_lib/payload';
import { isApple } from '_lib/event';
import { isEmpty, without } from '_lib/values';

const ROWS = [
    ['event_name', 'event'],
    ['customer_user_id', 'userId', 'context.traits.userId'],
    ['event_time', 'timestamp', 'originalTimestamp'],
    ['ip', 'context.ip'],
    ['selected_timezone', 'context.timezone'],
    ['user_agent', 'context.userAgent'],
    ['bundle_id', 'context.app.namespace'],
    ['app_version', 'context.app.version'],
    ['app_name', 'context.app.name'],
    ['device_type', 'context.device.model'],
    ['wifi', 'context.network.wifi'],
    ['carrier', 'context.network.carrier'],
    ['platform', 'platform', 'context.os.name'],
    ['os_version', 'context.os.version'],
    ['city', 'traits.address.city', 'context.traits.address.city'],
    ['postal_code', 'traits.address.zip', 'context.traits.address.zip'],
    ['country_code', 'traits.address.country', 'context.traits.address.country'],
];
// What has a place of its own is left out of the properties; the name stays.
const MAPPED = [...ROWS.map(([from]) => from).filter((from) => from !== 'event_name'), 'appsflyer_id', 'idfa', 'android_id'];

function addDevice(event, payload) {
    const id = isApple(payload.platform) ? payload.idfa : payload.android_id;
    if (payload.platform && id) {
        event.context.device = { ...event.context.device, advertisingId: id, adTrackingEnabled: true };
    }
}

// A message is the body of a POST, or the query of a GET, as the endpoint is set up.
function payloadOf(request) {
    if (request.json !== undefined) {
        return objectOf(request);
    }
    const query = without(request.query, ['writeKey']);
    return Object.fromEntries(Object.entries(query).map(([name, [value]]) => [name, value]));
}

export function transform(request, config, ctx) {
    const payload = payloadOf(request);
    if (request.method === 'GET' && isEmpty(payload)) { // somebody looks whether there is anybody
        return { events: [] };
    }
    if (!payload.event_name) {
        throw new Dead('a push message of AppsFlyer has an event_name');
    }
    const event = fill(eventFrom('AF', { type: 'track' }), payload, ROWS);
    addDevice(event, payload);
    if (payload.appsflyer_id) {
        event.context.externalId = [{ type: 'appsflyerExternalId', value: payload.appsflyer_id }];
    }
    event.properties = without(payload, MAPPED);
    event.anonymousId = ctx.uuid();
    return { events: [event] };
}
