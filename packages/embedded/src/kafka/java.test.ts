import { expect, test } from 'vitest'
import { javaMajor } from './java.ts'

test.each([
  ['openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17],
  ['openjdk version "21" 2023-09-19', 21],
  ['java version "1.8.0_391"', 8],
  ['Picked up JAVA_TOOL_OPTIONS: -Dversion=1\nopenjdk version "25.0.1" 2025-10-21', 25],
  ['The operation couldn’t be completed. Unable to locate a Java Runtime.', null],
])('the version in %j is %j', (output, major) => {
  expect(javaMajor(output)).toBe(major)
})
