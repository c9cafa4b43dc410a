/** The relationships that a test adds to its world. */
import { parseRelationship } from '../../graph/relationship-text.js';
import type { Relationship } from '../../model/relationships.js';

/** @returns those that are written as relationships; the others are reported as what they are where they are read to be added */
export function readAddedRelationships(texts: readonly string[]): Relationship[] {
  return texts.flatMap((text) => {
    try {
      return [parseRelationship(text)];
    } catch {
      return [];
    }
  });
}
