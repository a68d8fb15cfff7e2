// HubSpot: events' fields as values of properties.
// https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide
import { Dead } from 'sluice';
import { isEmpty } from '_lib/values';
import { time } from '_lib/event';

const DAY = 86400000;

// Internal names are lower case and have no spaces.
export const propertyName = (key) => key.toLowerCase().replace(/\s/g, '_');

// A date is the midnight, UTC, of its day.
function midnight(value) {
    const ms = time(/^\d+$/.test(value) ? Number(value) : value);
    return ms === undefined ? undefined : Math.floor(ms / DAY) * DAY;
}

const text = (value) => (typeof value === 'object' ? JSON.stringify(value) : String(value));

const isNumber = (value) => typeof value === 'number' || (typeof value === 'string' && !Number.isNaN(Number(value)));

const isBoolean = (value) => ['true', 'false'].includes(String(value).toLowerCase());

// By a property's type; undefined = the value is not of that type
const CONVERSIONS = {
    string: text,
    number: (value) => (isNumber(value) ? value : undefined),
    bool: (value) => (isBoolean(value) ? value : undefined),
    date: midnight,
    enumeration: (value) => (Array.isArray(value) ? value.join(';') : value),
};

function convert(name, value, type) {
    const converted = (CONVERSIONS[type] ?? ((same) => same))(value);
    if (converted === undefined) {
        throw new Dead(`the property ${name} is a ${type} in HubSpot, the event has a ${typeof value}`);
    }
    return converted;
}

// The fields that HubSpot has a property for, and those of `always`
export function contactProperties(fields, types, always) {
    const isKnown = ([name, value]) => !isEmpty(value) && [types, always].some((list) => Object.hasOwn(list, name));
    const known = Object.entries(fields).filter(isKnown);
    return Object.fromEntries(known.map(([name, value]) => [name, convert(name, value, types[name])]));
}

// Rows of reverse ETL are in HubSpot's names already; dates alone need its form. An empty value clears a property.
export function recordProperties(fields, types) {
    const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
    const valueOf = (name, value) => (types[name] === 'date' ? midnight(value) ?? value : value);
    return Object.fromEntries(entries.map(([name, value]) => [name, valueOf(name, value)]));
}
