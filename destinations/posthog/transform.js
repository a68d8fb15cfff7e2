// PostHog: every event is a capture; many go in one /batch.
import { Dead, byteLength, each } from 'sluice';
import { browser, system } from '_lib/user_agent';

const HOST = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]+)/i;

// What is read out of other properties.
function derived(properties) {
    const agent = properties.$useragent;
    const { name, version } = browser(agent) ?? {};
    const [, host] = HOST.exec(properties.$current_url ?? '') ?? [];
    return {
        ...(!properties.$os && system(agent) && { $os: system(agent) }),
        ...(name && { $browser: name, $browser_version: version }),
        ...(host && { $host: host }),
        ...(properties.$group_type && { $groups: { [properties.$group_type]: properties.$group_key } }),
    };
}

export const transform = each(({ draft: { body } }, config, ctx) => {
    const json = { ...body, properties: { ...body.properties, ...derived(body.properties) } };
    // larger ones do not pass PostHog's ingestion: https://posthog.com/docs/api/capture
    if (byteLength(JSON.stringify(json)) > ctx.limits.event_bytes) {
        throw new Dead(`the event is larger than the ${ctx.limits.event_bytes} bytes that PostHog takes`);
    }
    return { url: `${config.yourInstance.replace(/\/+$/, '')}/batch`, json };
});

// https://posthog.com/docs/api/capture#batch-events
export function batch(results, config, ctx) {
    const out = [];
    let bytes = 0;
    for (const { events, request: { url, json } } of results) {
        const { api_key: key, ...event } = json;
        const size = byteLength(JSON.stringify(event));
        if (out.length === 0 || bytes + size > ctx.limits.body_bytes) {
            out.push({ events: [], request: { url, json: { api_key: key, batch: [] } } });
            bytes = 0;
        }
        out.at(-1).events.push(...events);
        out.at(-1).request.json.batch.push(event);
        bytes += size;
    }
    return out;
}
