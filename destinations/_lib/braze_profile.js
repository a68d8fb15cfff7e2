// What Braze knows of users: attributes made from traits, and what of them a profile holds already.
// https://www.braze.com/docs/api/objects_filters/user_attributes_object/
import { field, isMapped } from '_lib/event';
import { chunk, equal, get, isObject, without } from '_lib/values';

const RENAMED = {
    first_name: 'firstName',
    last_name: 'lastName',
    dob: 'birthday',
    image_url: 'avatar',
    home_city: 'address.city',
    country: 'address.country',
};
// Members that say who is meant, or how Braze is to take the object.
const RESERVED = [
    'external_id', 'braze_id', 'user_alias', '_update_existing_only', '_merge_objects', 'push_token_import',
];
const TAKEN = ['firstName', 'lastName', 'birthday', 'avatar', 'address', ...RESERVED];

const GENDERS = {
    M: ['m', 'male', 'man'],
    F: ['f', 'female', 'w', 'woman'],
    O: ['o', 'other'],
    N: ['n', 'not applicable'],
    P: ['p', 'prefer not to say'],
};

function gender(value) {
    const word = String(value).trim().toLowerCase();
    return Object.keys(GENDERS).find((letter) => GENDERS[letter].includes(word));
}

const SHAPES = { email: (value) => String(value).trim().toLowerCase(), gender };

// null stays null: it removes the attribute.
function shape(key, value) {
    return value === null || !Object.hasOwn(SHAPES, key) ? value : SHAPES[key](value);
}

// ---- operations on arrays of objects ----
// https://www.braze.com/docs/user_guide/data/activation/attributes/array_of_objects/

const identified = (item) => ({ $identifier_key: item.identifier, $identifier_value: item[item.identifier] });

const OPERATIONS = {
    add: (item) => item,
    remove: (item) => (item?.identifier ? identified(item) : item),
    update: (item) => ({ ...identified(item), $new_object: without(item, ['identifier', item.identifier]) }),
};

// {add: ['x']}, of plain values, is Braze's own form for plain arrays and stays.
const isObjects = (list) => Array.isArray(list) && list.every(isObject);
const isOperation = (value) => isObject(value) && Object.keys(OPERATIONS).some((name) => isObjects(value[name]));

function operations(value) {
    const out = {};
    for (const [name, change] of Object.entries(OPERATIONS)) {
        if (Array.isArray(value[name])) {
            out[`$${name}`] = value[name].map(change);
        }
    }
    return out;
}

// ---- attributes ----

function ownNames(traits) {
    const out = {};
    for (const [to, from] of Object.entries(RENAMED)) {
        const value = get(traits, from);
        if (value !== undefined) {
            out[to] = value;
        }
    }
    return out;
}

// The attributes of an event's user, without the user: {} when its traits say nothing.
export function attributesOf(message, config) {
    const traits = field(message, 'traits');
    if (!isObject(traits)) {
        return {};
    }
    const named = isMapped(message) ? without(traits, RESERVED) : { ...without(traits, TAKEN), ...ownNames(traits) };
    const out = {};
    for (const [key, value] of Object.entries(named)) {
        const nested = config.enableNestedArrayOperations && isOperation(value);
        const shaped = nested ? operations(value) : shape(key, value);
        if (shaped !== undefined) {
            out[key] = shaped;
        }
    }
    if (config.enableNestedArrayOperations && Object.keys(out).length > 0) {
        out._merge_objects = Boolean(message.properties?.mergeObjectsUpdateOperation);
    }
    return out;
}

// ---- profiles ----

// What an export is asked for: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_identifier/
const PROFILE = ['dob', 'email', 'first_name', 'gender', 'home_city', 'last_name', 'phone', 'time_zone'];
const EXPORTED = ['created_at', 'custom_attributes', ...PROFILE, 'external_id', 'user_aliases'];
// Fields of a profile that are not exported: nothing says whether they have changed.
const UNKNOWN = [
    'country', 'language', 'image_url', 'email_subscribe', 'push_subscribe', 'current_location',
    'date_of_first_session', 'date_of_last_session', 'marked_email_as_spam_at', 'push_tokens', 'facebook', 'twitter',
    'subscription_groups', '_merge_objects',
];

const idKey = (id) => `id:${id}`;
const aliasKey = (alias) => `alias:${alias.alias_label}:${alias.alias_name}`;

function exportRequest(part) {
    const externals = part.filter((one) => one.external_id).map((one) => one.external_id);
    const aliases = part.filter((one) => one.user_alias).map((one) => one.user_alias);
    return {
        ...(externals.length > 0 && { external_ids: externals }),
        ...(aliases.length > 0 && { user_aliases: aliases }),
        fields_to_export: EXPORTED,
    };
}

function distinct(users) {
    const out = new Map();
    for (const { external_id: id, user_alias: alias } of users) {
        if (id) {
            out.set(idKey(id), { external_id: id });
        }
        if (alias) {
            out.set(aliasKey(alias), { user_alias: alias });
        }
    }
    return [...out.values()];
}

// Profiles of users ({external_id, user_alias} each) that `call(path, body)` exports.
export async function profiles(users, call, limit) {
    const out = new Map();
    for (const part of chunk(distinct(users), limit)) {
        const answer = await call('/users/export/ids', exportRequest(part));
        for (const user of answer?.body?.users ?? []) {
            const known = { ...user.custom_attributes };
            PROFILE.filter((name) => user[name] !== undefined).forEach((name) => { known[name] = user[name]; });
            [user.external_id && idKey(user.external_id), ...(user.user_aliases ?? []).map(aliasKey)]
                .filter(Boolean)
                .forEach((key) => out.set(key, known));
        }
    }
    return out;
}

const CHANGE = /^(\$?(add|remove|update)|inc)$/;
const isChange = (value) => isObject(value) && Object.keys(value).some((key) => CHANGE.test(key));

function isNews(known, key, value) {
    if (UNKNOWN.includes(key) || isChange(value)) {
        return true;
    }
    return !known || !equal(known[key] ?? null, value);
}

// The attributes that the profile does not hold yet; from now on it does.
export function news(attributes, user, known) {
    if (!user.external_id && !user.user_alias) {
        return attributes;
    }
    const key = user.external_id ? idKey(user.external_id) : aliasKey(user.user_alias);
    const profile = known.get(key);
    const fresh = Object.entries(attributes).filter(([name, value]) => isNews(profile, name, value));
    known.set(key, { ...profile, ...Object.fromEntries(fresh.filter(([, value]) => !isChange(value))) });
    return fresh.every(([name]) => name === '_merge_objects') ? {} : Object.fromEntries(fresh);
}
