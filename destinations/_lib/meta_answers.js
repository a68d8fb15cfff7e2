// What the answers of Meta's Graph API mean.
import { isObject } from '_lib/values';

// Outcomes by code of the Graph API; codes that are not known are tried again, for Meta adds some for passing troubles.
// https://developers.facebook.com/docs/graph-api/guides/error-handling, https://developers.facebook.com/docs/graph-api/overview/rate-limiting
const OUTCOMES = [
    { outcome: 'retry', codes: [[1, 2], [21009, 21009]] },
    { outcome: 'throttled', codes: [[4, 4], [17, 17], [32, 32], [341, 341], [368, 368], [613, 613], [80000, 80014]] },
    { outcome: 'auth', codes: [[10, 10], [102, 102], [190, 190], [200, 299]] },
    { outcome: 'dead', codes: [[3, 3], [33, 33], [100, 101], [104, 105], [506, 506], [803, 803], [2650, 2650], [1487000, 1487999]] },
];

export function outcome({ body }) {
    const error = body?.error;
    if (!isObject(error)) {
        return undefined;
    }
    const { code, error_subcode: subcode, is_transient: transient } = error;
    const row = OUTCOMES.find(({ codes }) => codes.some(([first, last]) => code >= first && code <= last));
    const numbers = subcode ? `code ${code}, subcode ${subcode}` : `code ${code}`;
    const passes = transient === true && row?.outcome !== 'throttled';
    const text = `${error.error_user_msg || error.message || 'Meta refused it'} (${numbers})`;
    return { outcome: passes ? 'retry' : row?.outcome ?? 'retry', text };
}
