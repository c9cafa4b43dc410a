/** Omits members that are null, which are as if they weren't said. Objects that questions share are read once. */
import { omitNulls } from '../model/question.js';
import { memoizeByObject } from '../runtime/memoize.js';

export const omitSharedNulls = memoizeByObject(omitNulls);
