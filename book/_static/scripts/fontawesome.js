/* In place of the theme's 1.5 MB of icons: the few that its pages use are drawn by ../icons.css. */
