// App Center's build, distribution and crash webhooks. https://learn.microsoft.com/en-us/appcenter/dashboard/webhooks/
import { Dead } from 'sluice';
import { eventFrom, fill, objectOf } from '_lib/payload';

const ROWS = [
    ['app_name', 'context.app.name'],
    ['app_display_name', 'context.app.name'],
    ['build_id', 'context.app.build'],
    ['short_version', 'context.app.version'],
    ['app_version', 'context.app.version'],
    ['bundle_identifier', 'context.app.namespace'],
    ['os', 'context.device.type', 'context.os.name'],
    ['platform', 'context.device.type', 'context.os.name'],
    // the original spells this key so, and users' transformations read it
    ['start_time', 'originalTimeStamp'],
    ['sent_at', 'sentAt'],
];

// Which webhook it is shows in its fields.
function nameOf(payload) {
    if (payload.build_status !== undefined) {
        return payload.build_status === 'Succeeded' ? 'Build Succeeded' : 'Build Failed';
    }
    if (payload.release_id !== undefined) {
        return `Released Version ${payload.short_version}`;
    }
    if (payload.reason !== undefined) {
        return 'App Crashed';
    }
    throw new Dead('neither a build, nor a release, nor a crash: App Center sends build_status, release_id or reason');
}

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    if (payload.text !== undefined) { // its test payload, which wants to be echoed
        return { answer: { body: JSON.stringify(payload), type: 'application/json' } };
    }
    const event = eventFrom('APPCENTER', { type: 'track', event: nameOf(payload), anonymousId: ctx.uuid(), properties: payload });
    return { events: [fill(event, payload, ROWS)] };
}
