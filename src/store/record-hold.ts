/**
 * A legal hold: while it is there, nothing is deleted of the people it names, or of all. What prunes records and their values,
 * and what erases a person, asks here.
 */
import { isSameRef, type EntityRef } from '../model/ids.js';
import type { PersonKeys } from './person-keys.js';

/** It is on all, on none, or on people. */
export type Hold = boolean | readonly EntityRef[];

export function listHeldPeople(hold: Hold): readonly EntityRef[] {
  return typeof hold === 'boolean' ? [] : hold;
}

export class RecordHold {
  constructor(
    private readonly hold: Hold,
    private readonly people: Pick<PersonKeys, 'toRowName' | 'find'>,
  ) {}

  /** Whether nothing at all may be deleted. */
  get isOnAll(): boolean {
    return this.hold === true;
  }

  isOn(person: EntityRef): boolean {
    return this.isOnAll || listHeldPeople(this.hold).some((held) => isSameRef(held, person));
  }

  /** The people's rows of person_keys, as `persons` of record_values has them. */
  listRows(): readonly string[] {
    return listHeldPeople(this.hold).map((person) => this.people.toRowName(person));
  }

  /**
   * The texts of which a record (its jsonb as text) has one where it names a person on hold, also where its values went before the hold came: the
   * names of people in the log, and in records of versions before the people themselves.
   * @throws Fault
   */
  async listNames(): Promise<readonly string[]> {
    const people = listHeldPeople(this.hold);
    const keys = await Promise.all(people.map((person) => this.people.find(person)));
    return people.flatMap((person, i) => {
      const key = keys[i];
      const inClear = [
        JSON.stringify(`${person.type}:${person.id}`),
        `"id": ${JSON.stringify(person.id)}, "type": ${JSON.stringify(person.type)}`,
      ];
      return [...inClear, ...(key === undefined ? [] : [key.pseudonym])];
    });
  }
}
