// Facebook's lead forms, as automation services forward them: each field a value or a list of one.
import { Dead } from 'sluice';
import { eventFrom, fill, objectOf } from '_lib/payload';
import { isEmpty } from '_lib/values';

const ROWS = [
    ['facebook_lead_id', 'userId'],
    ['id', 'userId'],
    ['first_name', 'context.traits.firstName'],
    ['last_name', 'context.traits.lastName'],
    ['full_name', 'context.traits.name'],
    ['email', 'context.traits.email'],
    ['phone_number', 'context.traits.phone'],
    ['date_of_birth', 'context.traits.birthday'],
    ['gender', 'context.traits.gender'],
    ['job_title', 'context.traits.title'],
    ['company_name', 'context.traits.company'],
    ['street_address', 'context.traits.address.street'],
    ['city', 'context.traits.address.city'],
    ['state', 'context.traits.address.state'],
    ['country', 'context.traits.address.country'],
    ['post_code', 'context.traits.address.postalCode'],
];

const AMERICAN = /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?:[ T](\d{1,2}):(\d\d)(?::(\d\d))?)?$/;
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(?:Z|([+-]\d\d):?(\d\d))?$/;

const two = (part) => part.padStart(2, '0');

// "02/01/2025 10:20" is the first of February; what says no zone is UTC.
function timeOf(value) {
    const text = `${value ?? ''}`;
    const [, month, day, year, hour = '0', minute = '00', second = '00'] = AMERICAN.exec(text) ?? [];
    const [, date, time, zone, minutes] = ISO.exec(text) ?? [];
    const ms = Date.parse(year ? `${year}-${two(month)}-${two(day)}T${two(hour)}:${minute}:${second}Z`
        : `${date}T${time}${zone ? `${zone}:${minutes}` : 'Z'}`);
    return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

export function transform(request, config, ctx) {
    const lead = Object.fromEntries(Object.entries(objectOf(request)).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]));
    if (isEmpty(lead)) {
        throw new Dead('a lead has at least one field');
    }
    const event = fill(eventFrom('FacebookLeadAds', { type: 'identify' }), lead, ROWS);
    event.context.traits = { ...lead, ...event.context.traits };
    if (event.userId === undefined) {
        event.anonymousId = ctx.uuid();
    }
    const time = timeOf(lead.created_time);
    return { events: [time ? { ...event, originalTimestamp: time } : event] };
}
