/** Records for lists: of each hundred the user `u50` reaches fifty and `u5` five. */
import { AGENTS } from './actions.mjs';

const LISTED = 10_000;
export const LISTERS = { 50: 'u50', 5: 'u5' };
export const LISTING_AGENT = AGENTS[0].id;

export function reaches(share, i) {
  return share === 50 ? i % 2 === 0 : i % 20 === 1;
}

/** @param count of the records that there are relationships to */
export function listRelationships(count = LISTED) {
  return Object.entries(LISTERS).flatMap(([share, user]) => [
    `agent:${LISTING_AGENT}#delegator@user:${user}`,
    ...Array.from({ length: count }, (_, i) => i)
      .filter((i) => reaches(Number(share), i))
      .map((i) => `employee:l${i}#manager@user:${user}`),
  ]);
}

/** `length` records from the `from`th on. */
export function records(from, length) {
  return Array.from({ length }, (_, j) => from + j).map((i) => ({
    type: 'employee',
    id: `l${i}`,
    properties: { name: `Person ${i}`, status: i % 3 === 0 ? 'on_leave' : 'active', department: `department-${i % 12}`, salary: 50_000 + i, email: `l${i}@acme.example` },
  })); // prettier-ignore
}

/** The records as stored entities. */
export function listEntities(count) {
  return records(0, count).map(({ type, id, properties }) => ({
    type,
    id,
    attributes: { title: 'Engineer', location: 'city-1', ssn: '000-00-0000', ...properties, status: 'active' },
  }));
}
