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
    ['event.eventType', 'category'],
    ['event.remoteHost', 'context.ip'],
];
const ENGAGEMENT = ['engagementId', 'contentType', 'interaction'];
const SURVEY = ['activation', 'userInput', 'questionType', 'score', 'scoreType', 'stepNumber', 'questionHtml', 'questionText'];

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

function kindOf(event) {
    if (event.eventType === 'SIGN_UP') {
        return { type: 'identify' };
    }
    const [name, properties] = EVENTS.get(event.eventType) ?? [];
    if (name === undefined) {
        throw new Dead(`Gainsight PX sends ${[...EVENTS.keys()].join(', ')} or SIGN_UP as eventType, not ${JSON.stringify(event.eventType)}`);
    }
    return { type: 'track', event: name(event), properties: pruned({ ...only(event, ['propertyKey', 'globalContext']), ...properties(event) }) };
}

export function transform(request) {
    const payload = objectOf(request);
    if (!isObject(payload.event) || !isObject(payload.user)) {
        throw new Dead('a webhook of Gainsight PX has a user and an event');
    }
    const event = fill(eventFrom('GAINSIGHTPX', kindOf(payload.event)), payload, ROWS);
    event.context.traits = traitsOf(payload);
    event.context.externalId = externalIds({ gainsightpxAptrinsicId: payload.user.aptrinsicId });
    const time = isoOfSeconds(payload.event.date / MS);
    return { events: [{ ...event, ...identityOf(payload), ...(time && { sentAt: time, originalTimestamp: time }) }] };
}
