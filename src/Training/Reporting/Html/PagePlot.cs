using ScottPlot;
using ScottPlot.TickGenerators;

namespace Pascl.Training.Reporting.Html;

/// <summary>What the plots of pages have in common.</summary>
internal static class PagePlot
{
    /// <summary>Width of a figure in pixels: shown at this size or larger on a desk, and still readable on a phone of 360 pixels.</summary>
    public const int Width = 440;

    /// <summary>Height of a figure in pixels.</summary>
    public const int Height = 340;

    private const float TextSize = 14;

    // Colours of Okabe and Ito, told apart by colour-blind readers and visible on white and on black.
    private static readonly Color[] Palette = [.. new[] { "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00" }.Select(Color.FromHex)];

    // Beyond the palette the colours repeat, and the dashes tell the lines apart.
    private static readonly LinePattern[] Patterns = [LinePattern.Solid, LinePattern.Dashed, LinePattern.Dotted];

    /// <summary>The colour of the part of that number.</summary>
    public static Color Colour(int number) => Palette[number % Palette.Length];

    /// <summary>An empty plot with named axes.</summary>
    public static Plot New(string bottom, string left)
    {
        var plot = new Plot();
        plot.Axes.Bottom.Label.Text = bottom;
        plot.Axes.Left.Label.Text = left;
        foreach (var axis in (IAxis[])[plot.Axes.Bottom, plot.Axes.Left, plot.Axes.Right])
        {
            axis.Label.FontSize = TextSize;
            axis.Label.Bold = false;
            axis.TickLabelStyle.FontSize = TextSize;
        }

        plot.Legend.FontSize = TextSize;
        plot.HideLegend();
        return plot;
    }

    /// <summary>Adds a line with a name in the legend.</summary>
    /// <param name="plot">The plot.</param>
    /// <param name="number">Which of the plot's lines it is, for its colour and dashes.</param>
    /// <param name="name">Its name.</param>
    /// <param name="x">Abscissae.</param>
    /// <param name="y">Ordinates; a line of one point is drawn as a dot.</param>
    public static void AddLine(this Plot plot, int number, string name, double[] x, double[] y)
    {
        var line = plot.Add.Scatter(x, y, Colour(number));
        line.LineWidth = 2;
        line.LinePattern = Patterns[number / Palette.Length % Patterns.Length];
        line.MarkerSize = x.Length == 1 ? 7 : 0;
        line.LegendText = HtmlPage.Clean(name);
    }

    /// <summary>An empty plot over epochs.</summary>
    /// <param name="left">The name of the other axis.</param>
    /// <param name="epochs">How many there are.</param>
    public static Plot OverEpochs(string left, int epochs)
    {
        var plot = New("epoch", left);
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = epochs > 1 };
        return plot;
    }

    /// <summary>Puts the legend below the plot.</summary>
    public static Plot WithLegend(this Plot plot)
    {
        plot.ShowLegend(Edge.Bottom);
        return plot;
    }

    /// <summary>Sets the limits of both axes.</summary>
    public static Plot WithLimits(this Plot plot, double left, double right, double bottom, double top)
    {
        plot.Axes.SetLimits(left, right, bottom, top);
        return plot;
    }
}
