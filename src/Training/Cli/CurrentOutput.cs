using System.Text;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>Where Spectre.Console writes: to the console's writer of the moment. A file or a pipe has no columns, so that no line, and no path in it, is broken there.</summary>
internal sealed class CurrentOutput : IAnsiConsoleOutput
{
    private const int NoWidth = 10_000;
    private const int UsualWidth = 80;
    private const int UsualHeight = 24;

    public TextWriter Writer => Console.Out;

    public bool IsTerminal => !Console.IsOutputRedirected;

    public int Width => IsTerminal ? OrUsual(() => Console.BufferWidth, UsualWidth) : NoWidth;

    public int Height => IsTerminal ? OrUsual(() => Console.WindowHeight, UsualHeight) : UsualHeight;

    public void SetEncoding(Encoding encoding)
    {
        if (IsTerminal)
        {
            Console.OutputEncoding = encoding;
        }
    }

    // A terminal that does not say, such as that of some containers.
    private static int OrUsual(Func<int> size, int usual)
    {
        try
        {
            return size() is > 0 and var known ? known : usual;
        }
        catch (IOException)
        {
            return usual;
        }
    }
}
