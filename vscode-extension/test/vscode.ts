/** In unit tests there is no editor; what is tested needs none of it. */
export default {};
