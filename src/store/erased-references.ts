/** Renames a person where other entities refer to them by an id alone, which only the schema tells from any other text. */
import type { SqlStatement } from './database/port.js';
import { encodeTextArray } from './entities.js';
import type { ErasedPerson } from './person-erasure.js';

/** An attribute that holds the id of a person, or a list of such ids. */
export interface PersonReference {
  /** The type of the entities that have it. */
  readonly type: string;
  /** The names that lead to it. */
  readonly path: readonly string[];
}

export function renameReferenceStatement({ type, path }: PersonReference, { ref, name }: ErasedPerson): SqlStatement {
  return {
    sql: `update entities set attributes = jsonb_set(attributes, $2::text[], case jsonb_typeof(attributes #> $2::text[])
            when 'array' then (
              select jsonb_agg(case when a.value = to_jsonb($3::text) then to_jsonb($4::text) else a.value end order by a.place)
              from jsonb_array_elements(attributes #> $2::text[]) with ordinality a (value, place))
            else to_jsonb($4::text) end)
          where type = $1 and attributes #> $2::text[] @> to_jsonb($3::text)`,
    params: [type, encodeTextArray(path), ref.id, name],
  };
}
