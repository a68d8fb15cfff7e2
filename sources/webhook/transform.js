// Any webhook: the whole body as the properties of one event. JSON, forms and bare queries.
import { isEmpty, without } from '_lib/values';

const EVENT = 'webhook_source_event';

// As the request came: lists of one are shown as their value.
function details(request) {
    const single = (lists) => Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, values.join(',')]));
    return { method: request.method, url: request.url, proto: request.proto, headers: single(request.headers),
        query_parameters: single(request.query) };
}

// Vendors ask whether the URL is ours: Meta among other parameters, the others with nothing else.
const CHALLENGES = ['challenge', 'validationToken'];

function challengeOf(query) {
    const [name, ...others] = Object.keys(query);
    const own = query['hub.mode']?.[0] === 'subscribe' ? 'hub.challenge' : name;
    return own === 'hub.challenge' || (others.length === 0 && CHALLENGES.includes(own)) ? query[own]?.[0] : undefined;
}

export function transform(request, config, ctx) {
    const query = without(request.query, ['writeKey']);
    const bare = request.json === undefined && request.form === undefined;
    const challenge = bare ? challengeOf(query) : undefined;
    if (challenge !== undefined) {
        return { answer: { type: 'text/plain', body: challenge } };
    }
    if (bare && request.method === 'GET' && isEmpty(query)) { // somebody looks whether there is anybody
        return { events: [] };
    }
    const properties = request.json ?? request.form ?? query;
    const context = config.putRequestDetailsInContext ? details(request) : {};
    return { events: [{ type: 'track', event: EVENT, properties, anonymousId: ctx.uuid(), context }] };
}
