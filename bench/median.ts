/** The middle one of the readings; NaN where there are none. */
export const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
