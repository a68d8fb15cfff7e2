// Gainsight PX's webhooks: a sign-up identifies, everything else is tracked. What is empty is left out at every depth.
import { Dead, md5 } from 'sluice';
import { eventFrom, externalIds, fill, isoOfSeconds, objectOf } from '_lib/payload';
import { isEmpty, isObject, only, without } from '_lib/values';

const MS = 1000;
// Dates and ids that have places of their own, or mean something to Gainsight alone.
const USER_LEFT_OUT = ['aptrinsicId', 'identifyId', 'lastSeenDate', 'signUpDate', 'firstVisitDate', 'createDate', 'lastModifiedDate', 'location'];
const ACCOUNT_LEFT_OUT = ['lastSeenDate', 'createDate', 'lastModifiedDate', 'propertyKeys', 'location'];
const PLACE = { countryName: 'country', countryCode: 'countryCode', stateName: 'state', stateCode: 'stateCode', city: 'city', street: 'street',
    postalCode: 'postalCode', continent: 'continent', regionName: 'regionName', timeZone: 'timeZone' };
const ROWS = [
    ['user.identifyId', 'userId'],
    ['event.remoteHost', 'context.ip'],
];
const ENGAGEMENT = ['engagementId', 'contentType', 'interaction'];
const SURVEY = ['activation', 'userInput', 'questionType', 'score', 'scoreType', 'stepNumber', 'questionId', 'questionHtml', 'questionText',
    'answers', 'contactMeAllowed'];

// type: [name, properties]
const EVENTS = new Map([
    ['CUSTOM', [(event) => event.eventName, (event) => ({ ...event.attributes, ip: event.remoteHost, ...only(event, ['url', 'referrer']) })]],
    ['FEATURE_MATCH', [(event) => event.featureName, (event) => only(event, ['featureId'])]],
    ['SEGMENT', [(event) => event.segmentName, (event) => only(event, ['segmentId'])]],
    ['SEGMENT_IO', [() => 'SegmentIO Cloud Server', (event) => event.segmentIOEvent]],
    ['ENGAGEMENT', [(event) => event.engagementName,
        (event) => ({ ...only(event, [...ENGAGEMENT, 'engagementType']), engagement: only(event, ['stepNumber', 'activation']) })]],
    ['SURVEY', [(event) => event.engagementName, (event) => ({ ...only(event, [...ENGAGEMENT, 'surveyType']), survey: only(event, SURVEY) })]],
    ['FEEDBACK', [() => 'Feedback', (event) => without(event, ['eventType', 'eventId', 'date', 'sessionId', 'userType'])]],
]);

function pruned(value) {
    if (!isObject(value)) {
        return value;
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pruned(item)]).filter(([, item]) => !isEmpty(item)));
}

function traitsOf({ user, account }) {
    const place = fill({}, user.location ?? {}, Object.entries(PLACE));
    return pruned({ ...without(user, USER_LEFT_OUT), ...place, account: without(account ?? {}, ACCOUNT_LEFT_OUT) });
}

function identityOf({ user, event }) {
    const anonymousId = event.sessionId || (user.email && md5(user.email));
    return user.identifyId || !anonymousId ? {} : { anonymousId };
}

const timeOf = (ms) => isoOfSeconds(ms / MS);

// Who signed up became known then, whenever the webhook tells of it.
function identify(payload) {
    const createdAt = timeOf(payload.user.signUpDate) ?? timeOf(payload.event.date);
    const event = fill(eventFrom('GAINSIGHTPX', { type: 'identify' }), payload, [...ROWS, ['user.lastVisitedUserAgentData', 'context.userAgent']]);
    return { ...event, traits: traitsOf(payload), ...(createdAt && { createdAt, originalTimestamp: createdAt }) };
}

function track(payload) {
    const { event: source } = payload;
    const [name, properties] = EVENTS.get(source.eventType) ?? [];
    if (name === undefined) {
        throw new Dead(`Gainsight PX sends ${[...EVENTS.keys()].join(', ')} or SIGN_UP as eventType, not ${JSON.stringify(source.eventType)}`);
    }
    const own = { type: 'track', event: name(source), category: source.eventType,
        properties: pruned({ ...only(source, ['propertyKey', 'globalContext']), ...properties(source) }) };
    const event = fill(eventFrom('GAINSIGHTPX', own), payload, ROWS);
    event.context.traits = traitsOf(payload);
    const time = timeOf(source.date);
    return time ? { ...event, sentAt: time, originalTimestamp: time } : event;
}

export function transform(request) {
    const payload = objectOf(request);
    if (!isObject(payload.event) || !isObject(payload.user)) {
        throw new Dead('a webhook of Gainsight PX has a user and an event');
    }
    const event = payload.event.eventType === 'SIGN_UP' ? identify(payload) : track(payload);
    event.context.externalId = externalIds({ gainsightpxAptrinsicId: payload.user.aptrinsicId });
    return { events: [{ ...event, ...identityOf(payload) }] };
}
