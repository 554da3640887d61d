using System.Globalization;
using System.Text;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>
/// A comparison as comma-separated values (RFC 4180): a line for every method, number and seed, as a fraction; empty where it is not
/// defined.
/// </summary>
internal static class ComparisonCsv
{
    public static string Write(RunComparison comparison)
    {
        var text = new StringBuilder();
        AppendLine("method", "seed", "reading", "set", "metric", "value");
        foreach (var method in comparison.Methods)
        {
            foreach (var quantity in comparison.Quantities)
            {
                foreach (var (seed, value) in method.Seeds.Zip(comparison.Of(method, quantity).Values))
                {
                    AppendLine(
                        method.Name,
                        seed.ToString(CultureInfo.InvariantCulture),
                        quantity.Reading.ToString().ToLowerInvariant(),
                        quantity.Metric.OfDetection is null ? "" : quantity.Set ?? "average",
                        quantity.Metric.Key,
                        double.IsNaN(value) ? "" : value.ToString("R", CultureInfo.InvariantCulture));
                }
            }
        }

        return text.ToString();

        void AppendLine(params ReadOnlySpan<string> fields)
        {
            text.AppendJoin(',', fields.ToArray().Select(Quote)).Append("\r\n");
        }
    }

    private static string Quote(string field) =>
        field.AsSpan().ContainsAny(",\"\r\n") ? $"\"{field.Replace("\"", "\"\"")}\"" : field;
}
