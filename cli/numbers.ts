// Numbers of the command line, checked by commander when it reads them.
import { InvalidArgumentError } from 'commander'

/** `1000`, `1_000`, from `minimum` to `maximum`. */
export const wholeNumber = (minimum: number, maximum: number) => (text: string) => {
  const value = Number(text.replaceAll('_', ''))
  if (text === '' || !Number.isSafeInteger(value) || value < minimum || value > maximum)
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`)
  return value
}

/** A share from 0 to `maximum`. */
export const share = (maximum: number) => (text: string) => {
  const value = Number(text)
  if (text === '' || !(value >= 0 && value <= maximum)) throw new InvalidArgumentError(`It must be a share from 0 to ${maximum}.`)
  return value
}
