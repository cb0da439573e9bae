#[test]
fn nothing_in_a_page_is_markup() {
    assert!(super::html("x", "a <b> && c").contains("a &lt;b> &amp;&amp; c"));
}
